-- +goose Up
-- Words in braces are filled in per database (dialect.go). The tenant is the first column of every
-- key; times are Unix milliseconds, money is fen, states are small numbers named in Go.

CREATE TABLE tenant (
  tenant    {{int}} NOT NULL PRIMARY KEY,
  name      {{text}} NOT NULL,
  field_key {{bytes}} NOT NULL, -- wrapped by the master key; seals everything marked sealed below
  made_ms   {{int}} NOT NULL
) {{strict}};

CREATE TABLE operator (
  tenant   {{int}} NOT NULL REFERENCES tenant,
  login    {{text}} NOT NULL,
  verifier {{text}} NOT NULL, -- argon2id
  made_ms  {{int}} NOT NULL,
  PRIMARY KEY (tenant, login)
) {{strict}};

CREATE TABLE sign_key (
  tenant     {{int}} NOT NULL REFERENCES tenant,
  id         {{int}} NOT NULL,
  alg        {{text}} NOT NULL,
  pub        {{bytes}} NOT NULL,
  priv       {{bytes}} NOT NULL, -- sealed
  from_ms    {{int}} NOT NULL,
  revoked_ms {{int}},
  PRIMARY KEY (tenant, id)
) {{strict}};

CREATE TABLE venue (
  tenant {{int}} NOT NULL REFERENCES tenant,
  id     {{int}} NOT NULL,
  name   {{text}} NOT NULL,
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, name)
) {{strict}};

CREATE TABLE hall (
  tenant {{int}} NOT NULL,
  id     {{int}} NOT NULL,
  venue  {{int}} NOT NULL,
  code   {{text}} NOT NULL, -- 11 digits, Annex B
  name   {{text}} NOT NULL,
  seats  {{int}} NOT NULL CHECK (seats > 0),
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, code),
  FOREIGN KEY (tenant, venue) REFERENCES venue (tenant, id)
) {{strict}};

CREATE TABLE station (
  tenant        {{int}} NOT NULL,
  id            {{int}} NOT NULL,
  venue         {{int}} NOT NULL,
  name          {{text}} NOT NULL,
  status        {{small}} NOT NULL CHECK (status IN (0, 1, 2)), -- new, active, revoked
  journal_epoch {{int}} NOT NULL,
  chain_key     {{bytes}}, -- sealed
  chain_sum     {{bytes}} NOT NULL,
  durable_seq   {{int}} NOT NULL,
  folded_seq    {{int}} NOT NULL,
  cert_serial   {{text}},
  seen_ms       {{int}},
  made_ms       {{int}} NOT NULL,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, venue) REFERENCES venue (tenant, id),
  CHECK (folded_seq <= durable_seq),
  CHECK (status = 0 OR chain_key IS NOT NULL)
) {{strict}};

CREATE TABLE enrol_code (
  tenant       {{int}} NOT NULL,
  id           {{text}} NOT NULL, -- public half
  station      {{int}} NOT NULL,
  secret       {{bytes}} NOT NULL, -- sealed
  expires_ms   {{int}} NOT NULL,
  used_ms      {{int}},
  request_sum  {{bytes}},
  station_cert {{bytes}},
  site_cert    {{bytes}},
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, station) REFERENCES station (tenant, id),
  CHECK ((used_ms IS NULL) = (request_sum IS NULL)),
  CHECK ((used_ms IS NULL) = (station_cert IS NULL)),
  CHECK ((used_ms IS NULL) = (site_cert IS NULL))
) {{strict}};

CREATE TABLE feed_head (
  tenant   {{int}} NOT NULL,
  feed     {{int}} NOT NULL, -- station id
  epoch    {{text}} NOT NULL,
  head     {{int}} NOT NULL,
  sent_pos {{int}} NOT NULL,
  PRIMARY KEY (tenant, feed),
  FOREIGN KEY (tenant, feed) REFERENCES station (tenant, id),
  CHECK (sent_pos <= head)
) {{strict}};

CREATE TABLE feed_item (
  tenant {{int}} NOT NULL,
  feed   {{int}} NOT NULL,
  kind   {{text}} NOT NULL,
  key    {{text}} NOT NULL,
  ver    {{int}} NOT NULL,
  seq    {{int}}, -- NULL: pending
  gone   {{small}} NOT NULL CHECK (gone IN (0, 1)),
  body   {{text}} NOT NULL,
  PRIMARY KEY (tenant, feed, kind, key),
  UNIQUE (tenant, feed, seq),
  FOREIGN KEY (tenant, feed) REFERENCES feed_head (tenant, feed)
) {{strict}};
CREATE INDEX feed_item_pending ON feed_item (tenant, feed, kind, key) WHERE seq IS NULL;

CREATE TABLE gate_group (
  tenant       {{int}} NOT NULL,
  venue        {{int}} NOT NULL,
  id           {{int}} NOT NULL CHECK (id BETWEEN 1 AND 65535),
  hall         {{int}} NOT NULL,
  name         {{text}} NOT NULL,
  home_station {{int}} NOT NULL,
  PRIMARY KEY (tenant, venue, id),
  FOREIGN KEY (tenant, hall) REFERENCES hall (tenant, id),
  FOREIGN KEY (tenant, home_station) REFERENCES station (tenant, id)
) {{strict}};

CREATE TABLE session (
  tenant               {{int}} NOT NULL,
  id                   {{int}} NOT NULL,
  code                 {{text}} NOT NULL, -- 21 digits, Annex C
  kind                 {{text}} NOT NULL, -- Annex D
  name                 {{text}} NOT NULL,
  hall                 {{int}} NOT NULL,
  start_ms             {{int}} NOT NULL,
  end_ms               {{int}} NOT NULL,
  admit_from_ms        {{int}} NOT NULL,
  admit_to_ms          {{int}} NOT NULL,
  status               {{small}} NOT NULL CHECK (status IN (0, 1)), -- planned, cancelled
  mode                 {{small}} NOT NULL CHECK (mode IN (0, 1)),   -- lan, online
  reentry              {{small}} NOT NULL CHECK (reentry IN (0, 1, 2)), -- none, after exit, free
  offline_signed_entry {{small}} NOT NULL CHECK (offline_signed_entry IN (0, 1)),
  max_entries          {{int}} NOT NULL CHECK (max_entries BETWEEN 1 AND 65535),
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, code),
  FOREIGN KEY (tenant, hall) REFERENCES hall (tenant, id),
  CHECK (start_ms < end_ms AND admit_from_ms < admit_to_ms AND admit_to_ms <= end_ms)
) {{strict}};
CREATE INDEX session_start ON session (tenant, start_ms);

CREATE TABLE ticket (
  tenant        {{int}} NOT NULL,
  id            {{int}} NOT NULL,
  session       {{int}} NOT NULL,
  gate_group    {{int}} NOT NULL,
  feed          {{int}} NOT NULL, -- home station
  ver           {{int}} NOT NULL,
  seq           {{int}}, -- NULL: pending
  code          {{text}} NOT NULL,
  type          {{small}} NOT NULL,
  seat          {{text}} NOT NULL,
  order_no      {{text}} NOT NULL,
  holder        {{bytes}}, -- full name, sealed
  holder_mask   {{text}} NOT NULL,
  price_fen     {{int}} NOT NULL CHECK (price_fen >= 0),
  sold_ms       {{int}} NOT NULL,
  status        {{small}} NOT NULL CHECK (status IN (0, 1, 2)), -- valid, refunded, blocked
  status_ms     {{int}} NOT NULL,
  cred          {{int}} NOT NULL CHECK (cred BETWEEN 1 AND 65535),
  cred_hash     {{bytes}} NOT NULL,
  e_state       {{small}} NOT NULL CHECK (e_state BETWEEN 0 AND 4), -- hub.State
  e_gen         {{int}} NOT NULL,
  e_hand        {{int}} NOT NULL,
  e_granted_seq {{int}}, -- first position of this generation's grant; NULL: never stamped
  e_used        {{int}} NOT NULL,
  e_inside      {{small}} NOT NULL CHECK (e_inside IN (0, 1)),
  e_max         {{int}} NOT NULL CHECK (e_max BETWEEN 1 AND 65535),
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, code),
  UNIQUE (tenant, feed, seq),
  FOREIGN KEY (tenant, session) REFERENCES session (tenant, id),
  FOREIGN KEY (tenant, feed) REFERENCES feed_head (tenant, feed)
) {{strict}};
CREATE INDEX ticket_pending ON ticket (tenant, feed, session, id) WHERE seq IS NULL;
CREATE INDEX ticket_session ON ticket (tenant, session, feed);
-- No seat is sold twice: it may have any number of refunded tickets and one other.
CREATE UNIQUE INDEX ticket_seat ON ticket (tenant, session, seat) WHERE status <> 1;

CREATE TABLE seat (
  tenant  {{int}} NOT NULL,
  session {{int}} NOT NULL,
  seat    {{text}} NOT NULL,
  state   {{small}} NOT NULL CHECK (state IN (0, 1)), -- free, sold
  ticket  {{int}},
  PRIMARY KEY (tenant, session, seat),
  UNIQUE (tenant, ticket),
  FOREIGN KEY (tenant, session) REFERENCES session (tenant, id),
  FOREIGN KEY (tenant, ticket) REFERENCES ticket (tenant, id),
  CHECK ((state = 1) = (ticket IS NOT NULL))
) {{strict}};

CREATE TABLE fact (
  tenant      {{int}} NOT NULL,
  station     {{int}} NOT NULL,
  epoch       {{int}} NOT NULL,
  seq         {{int}} NOT NULL,
  time_ms     {{int}} NOT NULL,
  offset_ms   {{int}} NOT NULL,
  kind        {{small}} NOT NULL,
  body        {{bytes}} NOT NULL,
  sum         {{bytes}} NOT NULL,
  received_ms {{int}} NOT NULL,
  PRIMARY KEY (tenant, station, epoch, seq),
  FOREIGN KEY (tenant, station) REFERENCES station (tenant, id)
) {{strict}};
CREATE INDEX fact_received ON fact (tenant, received_ms);

CREATE TABLE dead_letter (
  tenant  {{int}} NOT NULL,
  station {{int}} NOT NULL,
  epoch   {{int}} NOT NULL,
  seq     {{int}} NOT NULL,
  reason  {{text}} NOT NULL,
  at_ms   {{int}} NOT NULL,
  PRIMARY KEY (tenant, station, epoch, seq),
  FOREIGN KEY (tenant, station, epoch, seq) REFERENCES fact (tenant, station, epoch, seq)
) {{strict}};

CREATE TABLE conflict (
  tenant  {{int}} NOT NULL,
  station {{int}} NOT NULL,
  epoch   {{int}} NOT NULL,
  seq     {{int}} NOT NULL,
  ticket  {{int}} NOT NULL,
  reason  {{text}} NOT NULL,
  at_ms   {{int}} NOT NULL,
  PRIMARY KEY (tenant, station, epoch, seq),
  FOREIGN KEY (tenant, station, epoch, seq) REFERENCES fact (tenant, station, epoch, seq)
) {{strict}};

CREATE TABLE incident (
  tenant  {{int}} NOT NULL,
  station {{int}} NOT NULL,
  kind    {{text}} NOT NULL, -- fork, chain
  epoch   {{int}} NOT NULL,
  seq     {{int}} NOT NULL,
  detail  {{text}} NOT NULL,
  at_ms   {{int}} NOT NULL,
  PRIMARY KEY (tenant, station, kind, epoch, seq),
  FOREIGN KEY (tenant, station) REFERENCES station (tenant, id)
) {{strict}};

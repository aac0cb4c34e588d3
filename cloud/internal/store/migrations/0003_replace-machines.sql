-- +goose Up
-- A station may become another machine (sync.md section 8): its certificate, journal epoch and feed
-- epoch change, and what the old machine was given is outstanding until somebody decides.
ALTER TABLE feed_head ADD COLUMN lost_pos {{int}} NOT NULL DEFAULT 0; -- grants up to here were an earlier machine's
ALTER TABLE enrol_code ADD COLUMN replaces {{int}}; -- journal epoch of the machine to be replaced; NULL: a new station

-- The journal of a machine that was replaced, as station has the present one's.
CREATE TABLE ended_epoch (
  tenant      {{int}} NOT NULL,
  station     {{int}} NOT NULL,
  epoch       {{int}} NOT NULL,
  chain_key   {{bytes}} NOT NULL, -- sealed
  chain_sum   {{bytes}} NOT NULL,
  durable_seq {{int}} NOT NULL,
  folded_seq  {{int}} NOT NULL,
  ended_ms    {{int}} NOT NULL,
  state       {{small}} NOT NULL CHECK (state IN (0, 1, 2)), -- undecided, complete, lost
  PRIMARY KEY (tenant, station, epoch),
  FOREIGN KEY (tenant, station) REFERENCES station (tenant, id),
  CHECK (folded_seq <= durable_seq)
) {{strict}};

-- Rights that were granted anew although an earlier machine may have exercised them.
CREATE TABLE uncertain_right (
  tenant  {{int}} NOT NULL,
  ticket  {{int}} NOT NULL,
  gen     {{int}} NOT NULL, -- granted since
  station {{int}} NOT NULL,
  from_ms {{int}} NOT NULL, -- of the time of which nothing is known
  to_ms   {{int}} NOT NULL,
  PRIMARY KEY (tenant, ticket, gen),
  FOREIGN KEY (tenant, ticket) REFERENCES ticket (tenant, id)
) {{strict}};

-- The tenant's key for backups of its stations, besides each venue's own.
CREATE TABLE backup_key (
  tenant    {{int}} NOT NULL REFERENCES tenant,
  recipient {{text}} NOT NULL,
  priv      {{bytes}} NOT NULL, -- sealed
  made_ms   {{int}} NOT NULL,
  PRIMARY KEY (tenant)
) {{strict}};

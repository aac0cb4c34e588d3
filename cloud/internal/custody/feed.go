package custody

import (
	"context"
	"encoding/json"
	"fmt"

	"yipiao/cloud/internal/store"
	"yipiao/sync/hub"
	"yipiao/sync/link"
	"yipiao/sync/wire"
)

// stampChunk bounds a stamping transaction, so that others get their turn.
const stampChunk = 5000

// Stamp implements hub.FeedStore (T1). Where nothing is pending, one look at a snapshot is a whole
// stamping pass: every row committed before it has a position up to its head.
func (s *Store) Stamp(ctx context.Context, feed link.Peer) (hub.Head, error) {
	var head hub.Head
	var pending bool
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		head, pending, err = look(ctx, tx, feed)
		return err
	})
	for err == nil && pending {
		err = s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			head, pending, err = stampSome(ctx, tx, feed)
			return err
		})
	}
	return head, err
}

// look reads a head and whether anything waits for a position, in one statement: a poll that finds
// nothing costs no more.
func look(ctx context.Context, tx *store.Tx, feed link.Peer) (h hub.Head, pending bool, err error) {
	found, err := tx.Row(ctx, `
		SELECT epoch, head, sent_pos, lost_pos,
			EXISTS (SELECT 1 FROM feed_item WHERE tenant = $1 AND feed = $2 AND seq IS NULL)
			OR EXISTS (SELECT 1 FROM ticket WHERE tenant = $1 AND feed = $2 AND seq IS NULL)
		FROM feed_head
		WHERE tenant = $1 AND feed = $2`,
		[]any{feed.Tenant, feed.Station}, &h.Epoch, &h.Pos, &h.Sent, &h.Lost, &pending)
	if err == nil && !found {
		err = unknownStation(feed)
	}
	return h, pending, err
}

// stampSome stamps at most stampChunk rows, and reports whether there may be more. The head is locked
// in one statement and rows are stamped in others, which therefore see what was committed before.
func stampSome(ctx context.Context, tx *store.Tx, feed link.Peer) (hub.Head, bool, error) {
	head, err := readHead(ctx, tx, feed, tx.Dialect.Update)
	if err != nil {
		return head, false, err
	}
	items, err := tx.Exec(ctx, `
		UPDATE feed_item
		SET seq = $3 + p.n
		FROM (
			SELECT kind, key, row_number() OVER (ORDER BY kind, key) AS n
			FROM feed_item
			WHERE tenant = $1 AND feed = $2 AND seq IS NULL
			ORDER BY kind, key
			LIMIT $4
		) p
		WHERE feed_item.tenant = $1 AND feed_item.feed = $2 AND feed_item.kind = p.kind AND feed_item.key = p.key`,
		feed.Tenant, feed.Station, head.Pos, stampChunk)
	if err != nil {
		return head, false, fmt.Errorf("stamp feed items: %w", err)
	}
	tickets, err := tx.Exec(ctx, `
		UPDATE ticket
		SET seq = $3 + p.n,
			e_granted_seq = CASE WHEN e_granted_seq IS NULL AND e_state IN ($5, $6) THEN $3 + p.n ELSE e_granted_seq END
		FROM (
			SELECT id, row_number() OVER (ORDER BY session, id) AS n
			FROM ticket
			WHERE tenant = $1 AND feed = $2 AND seq IS NULL
			ORDER BY session, id
			LIMIT $4
		) p
		WHERE ticket.tenant = $1 AND ticket.id = p.id`,
		feed.Tenant, feed.Station, head.Pos+uint64(items), stampChunk-items, hub.Granted, hub.Recalled)
	if err != nil {
		return head, false, fmt.Errorf("stamp tickets: %w", err)
	}
	head.Pos += uint64(items + tickets)
	err = tx.ExecOne(ctx, `
		UPDATE feed_head
		SET head = $3
		WHERE tenant = $1 AND feed = $2`, feed.Tenant, feed.Station, head.Pos)
	return head, items+tickets == stampChunk, err
}

// Reserve implements hub.FeedStore (T2, first transaction). It writes only when there is something to
// reserve.
func (s *Store) Reserve(ctx context.Context, feed link.Peer) (hub.Head, error) {
	var head hub.Head
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		head, err = readHead(ctx, tx, feed, "")
		return err
	})
	if err != nil || head.Sent == head.Pos {
		return head, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if head, err = readHead(ctx, tx, feed, tx.Dialect.Update); err != nil || head.Sent == head.Pos {
			return err
		}
		head.Sent = head.Pos
		return tx.ExecOne(ctx, `
			UPDATE feed_head
			SET sent_pos = $3
			WHERE tenant = $1 AND feed = $2`, feed.Tenant, feed.Station, head.Sent)
	})
	return head, err
}

// Page implements hub.FeedStore (T2, second transaction).
func (s *Store) Page(ctx context.Context, feed link.Peer, span hub.Span) ([]wire.Entry, bool, error) {
	var items, tickets []wire.Entry
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if items, err = readItems(ctx, tx, feed, span); err != nil {
			return err
		}
		tickets, err = readTickets(ctx, tx, feed, span)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	page, more := merge(items, tickets, span)
	return page, more, nil
}

// readItems and readTickets read one row more than the page may have, to see whether there is more.
func readItems(ctx context.Context, tx *store.Tx, feed link.Peer, span hub.Span) ([]wire.Entry, error) {
	return store.List(ctx, tx, `
		SELECT seq, kind, key, ver, gone, body
		FROM feed_item
		WHERE tenant = $1 AND feed = $2 AND seq > $3 AND seq <= $4
		ORDER BY seq
		LIMIT $5`, []any{feed.Tenant, feed.Station, span.After, span.UpTo, span.Rows + 1},
		func(scan store.Scan, e *wire.Entry) error {
			var body string
			if err := scan(&e.Pos, &e.Kind, &e.Key, &e.Ver, &e.Gone, &body); err != nil {
				return err
			}
			if !e.Gone {
				e.Body = json.RawMessage(body)
			}
			return nil
		})
}

func readTickets(ctx context.Context, tx *store.Tx, feed link.Peer, span hub.Span) ([]wire.Entry, error) {
	return store.List(ctx, tx, `
		SELECT `+rowColumns+`
		FROM ticket t
		WHERE t.tenant = $1 AND t.feed = $2 AND t.seq > $3 AND t.seq <= $4
		ORDER BY t.seq
		LIMIT $5`, []any{feed.Tenant, feed.Station, span.After, span.UpTo, span.Rows + 1},
		func(scan store.Scan, e *wire.Entry) error {
			var r hub.Row
			if err := scanRow(scan, feed.Tenant, &r); err != nil {
				return err
			}
			var err error
			*e, err = r.Entry()
			return err
		})
}

// merge joins two runs by position, within the bounds of the span.
func merge(a, b []wire.Entry, span hub.Span) (page []wire.Entry, more bool) {
	page = make([]wire.Entry, 0, min(len(a)+len(b), span.Rows))
	for size := 0; len(a)+len(b) > 0; {
		from := &a
		if len(a) == 0 || len(b) > 0 && b[0].Pos < a[0].Pos {
			from = &b
		}
		e := (*from)[0]
		size += len(e.Body)
		if len(page) > 0 && (len(page) == span.Rows || size > span.Bytes) {
			return page, true
		}
		page, *from = append(page, e), (*from)[1:]
	}
	return page, false
}

// News implements hub.FeedStore.
func (s *Store) News(ctx context.Context) ([]hub.News, error) {
	var out []hub.News
	err := s.db.Read(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = store.List(ctx, tx, `
			SELECT h.tenant, h.feed, h.head,
				s.folded_seq < s.durable_seq OR EXISTS (
					SELECT 1 FROM ended_epoch e WHERE e.tenant = s.tenant AND e.station = s.id AND e.folded_seq < e.durable_seq),
				EXISTS (SELECT 1 FROM feed_item i WHERE i.tenant = h.tenant AND i.feed = h.feed AND i.seq IS NULL)
				OR EXISTS (SELECT 1 FROM ticket t WHERE t.tenant = h.tenant AND t.feed = h.feed AND t.seq IS NULL)
			FROM feed_head h
			JOIN station s ON s.tenant = h.tenant AND s.id = h.feed`, nil,
			func(scan store.Scan, n *hub.News) error {
				return scan(&n.Feed.Tenant, &n.Feed.Station, &n.Pos, &n.Unfolded, &n.Pending)
			})
		return err
	})
	return out, err
}

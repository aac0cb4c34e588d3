package desk_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"yipiao/edge/internal/desk"
)

func TestBlocked_catchesUp(t *testing.T) {
	s := newStation(t)
	s.many(10)
	r := s.run()
	r.caughtUp()
	raw := openRaw(t, s.file())
	conn, err := raw.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.many(10)
	st := r.await("in trouble", func(st desk.Status) bool { return st.Err != "" })
	if !st.Ready || st.Lag() != 10 {
		t.Errorf("while it is blocked: %+v", st)
	}
	if got := r.all(desk.Filter{}, 100); len(got) == 0 { // questions are answered from what is there
		t.Error("no rows while writing is blocked")
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	r.caughtUp()
}

func TestNoFile_isNoFault(t *testing.T) {
	s := newStation(t)
	s.many(10)
	if err := os.Mkdir(s.file(), 0o700); err != nil { // not a file, and in the way of one
		t.Fatal(err)
	}
	if err := os.WriteFile(s.file()+"/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.run()
	r.await("in trouble", func(st desk.Status) bool { return st.Err != "" && !st.Ready })
	if _, err := r.Checks(t.Context(), desk.Filter{}, desk.Cursor{}, 10); !errors.Is(err, desk.ErrNotReady) {
		t.Errorf("a question: %v", err)
	}
	if err := os.RemoveAll(s.file()); err != nil {
		t.Fatal(err)
	}
	r.caughtUp()
}

func TestQuestion_endsWithItsContext(t *testing.T) {
	s := newStation(t)
	r := s.run()
	r.caughtUp()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Checks(ctx, desk.Filter{}, desk.Cursor{}, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("a question that nobody waits for: %v", err)
	}
}

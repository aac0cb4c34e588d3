package pgtest_test

import (
	"context"
	"testing"

	"yipiao/cloud/internal/store"
	"yipiao/cloud/internal/store/pgtest"
)

// TestEach: every test has a database of its own, on both engines, and nothing of another's is in it.
func TestEach(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, e pgtest.Engine) {
		for range 3 {
			db := e.Open(t)
			if db.Dialect.Name != e.Name {
				t.Errorf("engine %s, want %s", db.Dialect.Name, e.Name)
			}
			err := db.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return tx.AddTenant(ctx, &store.Tenant{ID: 1, Name: "样例", FieldKey: []byte("k")}, 1)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

package ledger

import (
	"strings"

	"go.etcd.io/bbolt"
)

// PutLocal stores v, sealed, under a key of the station's own registry. It is durable on return.
func (l *Ledger) PutLocal(key string, v any) error {
	return l.cat.update(func(tx *bbolt.Tx) error { return l.cat.put(tx, bucketLocal, []byte(key), v) })
}

// EachLocal calls use for every key of the station's own registry that begins with prefix, in order of
// keys; decode opens the value into its argument.
func (l *Ledger) EachLocal(prefix string, use func(key string, decode func(any) error) error) error {
	return l.cat.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketLocal).Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, v = c.Next() {
			decode := func(out any) error { return l.cat.unseal(bucketLocal, k, v, out) }
			if err := use(string(k), decode); err != nil {
				return err
			}
		}
		return nil
	})
}

package store

import "strings"

// A Dialect is what differs between database engines.
type Dialect struct {
	Name string // "sqlite"
	// Share and Update are the lock clauses of a SELECT; SQLite needs none, because a writing
	// transaction excludes all others from its beginning.
	Share, Update string
	words         map[string]string // of the migrations
}

// SQLite is the dialect of the default engine.
func SQLite() Dialect {
	return Dialect{
		Name: "sqlite",
		words: map[string]string{
			"int": "INTEGER", "small": "INTEGER", "text": "TEXT", "bytes": "BLOB", "strict": "STRICT",
		},
	}
}

// expand fills in the words of a migration.
func (d Dialect) expand(sql string) string {
	pairs := make([]string, 0, 2*len(d.words))
	for word, is := range d.words {
		pairs = append(pairs, "{{"+word+"}}", is)
	}
	return strings.NewReplacer(pairs...).Replace(sql)
}

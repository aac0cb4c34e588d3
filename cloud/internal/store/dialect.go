package store

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Dialect is what differs between database engines.
type Dialect struct {
	Name string // "sqlite" or "postgres"
	// Share and Update are the lock clauses of a SELECT in a writing transaction, and empty in a reading
	// one. Update leaves those alone that only refer to the row. SQLite needs neither, because a writing
	// transaction excludes all others from its beginning.
	Share, Update string
	words         map[string]string // of the migrations
	arrays        bool              // knows arrays, and unnest over them
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

// Postgres is the dialect of PostgreSQL 13 and later. Texts are ordered by their bytes, as in SQLite.
func Postgres() Dialect {
	return Dialect{
		Name: "postgres", Share: "FOR SHARE", Update: "FOR NO KEY UPDATE", arrays: true,
		words: map[string]string{
			"int": "BIGINT", "small": "SMALLINT", "text": `TEXT COLLATE "C"`, "bytes": "BYTEA", "strict": "",
		},
	}
}

// UpdateOf is Update for the rows of one table of a join.
func (d Dialect) UpdateOf(table string) string {
	if d.Update == "" {
		return ""
	}
	return d.Update + " OF " + table
}

// reading is the dialect inside a reading transaction, which locks nothing.
func (d Dialect) reading() Dialect {
	d.Share, d.Update = "", ""
	return d
}

// Among is the condition that a column is one of the numbers bound to a placeholder, as Numbers makes
// them.
func (d Dialect) Among(column, placeholder string) string {
	if d.arrays {
		return column + " = ANY(" + placeholder + "::bigint[])"
	}
	return column + " IN (SELECT value FROM json_each(" + placeholder + "))"
}

// Numbers is a list of numbers as one argument. None may be above math.MaxInt64.
func Numbers[T ~uint64](d Dialect, list []T) any {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	if d.arrays {
		return out
	}
	text, _ := json.Marshal(out) // numbers always have a text
	return string(text)
}

// A Kind is what a column of Tx.ExecRows holds.
type Kind int

// Kinds of columns. Int and Bytes may be NULL.
const (
	Int Kind = iota
	Text
	Bytes
)

// rows is a table r(c1, c2, …) of the rows that ExecRows binds: many at once where the engine knows
// arrays, else one.
func (d Dialect) rows(kinds []Kind) string {
	values, names := make([]string, len(kinds)), make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = fmt.Sprintf("c%d", i+1)
		if d.arrays {
			values[i] = fmt.Sprintf("$%d::%s[]", i+1, [...]string{Int: "bigint", Text: "text", Bytes: "bytea"}[k])
		} else {
			values[i] = fmt.Sprintf("$%d AS c%d", i+1, i+1)
		}
	}
	if d.arrays {
		return "unnest(" + strings.Join(values, ", ") + ") AS r(" + strings.Join(names, ", ") + ")"
	}
	return "(SELECT " + strings.Join(values, ", ") + ") AS r"
}

// expand fills in the words of a migration.
func (d Dialect) expand(sql string) string {
	pairs := make([]string, 0, 2*len(d.words))
	for word, is := range d.words {
		pairs = append(pairs, "{{"+word+"}}", is)
	}
	return strings.NewReplacer(pairs...).Replace(sql)
}

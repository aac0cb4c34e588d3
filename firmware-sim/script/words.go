package script

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"yipiao/firmware-sim/bench"
)

// A pair is key=value as it is written.
type pair struct{ key, value string }

// words splits a line into its bare words and the pairs after them. A value with blanks stands in "quotes", or is
// a JSON list or object; # begins a remark.
func words(line string) (bare []string, pairs []pair, err error) {
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
		n := strings.IndexAny(rest, "= \t")
		if n < 0 {
			n = len(rest)
		}
		word := rest[:n]
		if rest = rest[n:]; !strings.HasPrefix(rest, "=") {
			if len(pairs) > 0 {
				return nil, nil, fmt.Errorf("%q 应写作 键=值 (want key=value)", word)
			}
			bare = append(bare, word)
			continue
		}
		value, used, err := valueAt(rest[1:])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", word, err)
		}
		pairs = append(pairs, pair{word, value})
		rest = rest[1+used:]
	}
	return bare, pairs, nil
}

// valueAt reads the value at the front of s.
func valueAt(s string) (value string, used int, err error) {
	switch {
	case strings.HasPrefix(s, `"`):
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", 0, fmt.Errorf("引号没有配对 (quotes do not match): %s", s)
		}
		value, err = strconv.Unquote(quoted)
		return value, len(quoted), err
	case strings.HasPrefix(s, "["), strings.HasPrefix(s, "{"):
		dec := json.NewDecoder(strings.NewReader(s))
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return "", 0, fmt.Errorf("不是 JSON (not JSON): %w", err)
		}
		return string(v), int(dec.InputOffset()), nil
	}
	n := strings.IndexAny(s, " \t")
	if n < 0 {
		n = len(s)
	}
	return s[:n], n, nil
}

// Arguments turns key=value words into what the act of a device takes. A value is all that follows the first "=".
// The error names the key, and what is wanted.
func Arguments(act bench.Act, given []string) (map[string]any, error) {
	var pairs []pair
	for _, word := range given {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%q 应写作 键=值 (want key=value)", word)
		}
		pairs = append(pairs, pair{key, value})
	}
	return arguments(act, pairs)
}

func arguments(act bench.Act, pairs []pair) (map[string]any, error) {
	args := make(map[string]any)
	for _, p := range pairs {
		k, err := key(act, p.key)
		if err != nil {
			return nil, err
		}
		if _, twice := args[p.key]; twice {
			return nil, fmt.Errorf("%s 写了两次 (is there twice)", p.key)
		}
		if args[p.key], err = typed(k, p.value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func key(act bench.Act, name string) (bench.Key, error) {
	var has []string
	for _, k := range act.Keys {
		if k.Name == name {
			return k, nil
		}
		has = append(has, k.Name)
	}
	if len(has) == 0 {
		return bench.Key{}, fmt.Errorf("%s 没有参数 (takes no keys), %q", act.Name, name)
	}
	return bench.Key{}, fmt.Errorf("%s 没有参数 %q，只有 (has no such key, but) %s", act.Name, name, strings.Join(has, ", "))
}

func typed(k bench.Key, value string) (any, error) {
	switch k.Type {
	case bench.Number:
		n, err := strconv.ParseInt(value, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%s=%s 应为整数 (want a number)", k.Name, value)
		}
		return n, nil
	case bench.YesNo:
		switch value {
		case "true", "yes", "on":
			return true, nil
		case "false", "no", "off":
			return false, nil
		}
		return nil, fmt.Errorf("%s=%s 应为 on 或 off (want on or off)", k.Name, value)
	case bench.JSON:
		if !json.Valid([]byte(value)) {
			return nil, fmt.Errorf("%s 应为 JSON (want JSON)", k.Name)
		}
		return json.RawMessage(value), nil
	}
	return value, nil
}

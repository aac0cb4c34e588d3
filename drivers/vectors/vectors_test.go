package vectors_test

import (
	"testing"

	"yipiao/drivers/vectors"
)

func TestEveryProtocolHasGoodAndBadVectorsWithUniqueNames(t *testing.T) {
	protocols, err := vectors.Protocols()
	if err != nil || len(protocols) == 0 {
		t.Fatalf("Protocols: %v, %v", protocols, err)
	}
	for _, p := range protocols {
		vs, err := vectors.Load(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		names, count := map[string]bool{}, map[bool]int{}
		for _, v := range vs {
			if names[v.Name] {
				t.Errorf("%s: vector %q is there twice", p, v.Name)
			}
			names[v.Name] = true
			count[v.Valid]++
		}
		if count[true] == 0 || count[false] == 0 {
			t.Errorf("%s: %d valid and %d invalid vectors, want some of both", p, count[true], count[false])
		}
	}
}

func TestLoadOfAnUnknownProtocol(t *testing.T) {
	if _, err := vectors.Load("none"); err == nil {
		t.Error("Load: nil, want an error")
	}
}

func TestMeanNamesAnUnknownKey(t *testing.T) {
	v := vectors.Vector{Name: "x", Meaning: []byte(`{"a":1}`)}
	var m struct {
		B int `json:"b"`
	}
	if err := v.Mean(&m); err == nil {
		t.Error("Mean: nil, want an error for key a")
	}
}

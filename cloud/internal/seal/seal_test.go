package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"yipiao/cloud/internal/seal"
)

func key(t *testing.T, id uint16, fill byte) *seal.Key {
	t.Helper()
	k, err := seal.NewKey(id, bytes.Repeat([]byte{fill}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKey_OpensWhatItSealedAndNothingElse(t *testing.T) {
	k := key(t, 1, 7)
	sealed, err := k.Seal([]byte("张三"), "ticket.holder/1/42")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open(sealed, "ticket.holder/1/42"); err != nil || string(plain) != "张三" {
		t.Fatalf("opened %q, %v", plain, err)
	}
	if bytes.Contains(sealed, []byte("张三")) {
		t.Fatal("the name can be read")
	}
	again, err := k.Seal([]byte("张三"), "ticket.holder/1/42")
	if err != nil || bytes.Equal(sealed, again) {
		t.Fatalf("sealed twice to the same bytes, %v", err)
	}
	edited := bytes.Clone(sealed)
	edited[len(edited)-1] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"another place":  func() ([]byte, error) { return k.Open(sealed, "ticket.holder/1/43") },
		"another key":    func() ([]byte, error) { return key(t, 1, 8).Open(sealed, "ticket.holder/1/42") },
		"another key id": func() ([]byte, error) { return key(t, 2, 7).Open(sealed, "ticket.holder/1/42") },
		"edited":         func() ([]byte, error) { return k.Open(edited, "ticket.holder/1/42") },
		"cut off":        func() ([]byte, error) { return k.Open(sealed[:14], "ticket.holder/1/42") },
		"empty":          func() ([]byte, error) { return k.Open(nil, "ticket.holder/1/42") },
	} {
		if plain, err := try(); !errors.Is(err, seal.ErrSealed) || plain != nil {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}

func TestMaster_FileIsForItsOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master.key")
	made, err := seal.CreateMaster(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := seal.CreateMaster(file); err == nil {
		t.Fatal("a master key was overwritten")
	}
	sealed, err := made.Seal([]byte("x"), "place")
	if err != nil {
		t.Fatal(err)
	}
	read, err := seal.ReadMaster(file)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := read.Open(sealed, "place"); err != nil || string(plain) != "x" {
		t.Fatalf("opened %q, %v", plain, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.ReadMaster(file); err == nil {
		t.Fatal("a master key that others may read was accepted")
	}
	for _, text := range []string{"", "zz", "0123"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.ReadMaster(file); err == nil {
			t.Errorf("master key %q was accepted", text)
		}
	}
}

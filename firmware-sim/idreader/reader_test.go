package idreader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/idreader"
	"yipiao/firmware-sim/tape"
)

// wires returns the bytes of the vectors of SDT by name.
func wires(t *testing.T) map[string][]byte {
	t.Helper()
	vs, err := vectors.Load("sdt")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte, len(vs))
	for _, v := range vs {
		all[v.Name] = v.Wire
	}
	return all
}

// A host is the station's side, by hand.
type host struct {
	t    *testing.T
	end  *board.PipeEnd
	wire map[string][]byte
}

// ask sends the named vector and returns what comes back within two seconds.
func (h host) ask(name string) []byte {
	h.t.Helper()
	w, ok := h.wire[name]
	if !ok {
		h.t.Fatalf("no vector %q", name)
	}
	if _, err := h.end.Write(w); err != nil {
		h.t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 4096)
	deadline := time.Now().Add(2 * time.Second)
	for {
		_ = h.end.SetReadDeadline(deadline)
		n, err := h.end.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return got
		}
		deadline = time.Now().Add(50 * time.Millisecond)
	}
}

// want checks that the answer to one vector is another one.
func (h host) want(question, answer string) {
	h.t.Helper()
	w, ok := h.wire[answer]
	if !ok {
		h.t.Fatalf("no vector %q", answer)
	}
	if got := h.ask(question); !bytes.Equal(got, w) {
		h.t.Errorf("%s: % x, want %s % x", question, got[:min(len(got), 40)], answer, w[:min(len(w), 40)])
	}
}

func serve(t *testing.T, set idreader.Settings, test func(r *idreader.Reader, h host, tp *tape.Tape)) {
	t.Helper()
	all := wires(t)
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(100)
		r, err := idreader.New(set, tp.Recorder("id-1"))
		if err != nil {
			t.Fatal(err)
		}
		end, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Serve(ctx, board.NewLine(device, 0)) }()
		test(r, host{t, end, all}, tp)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestAnswersAreThoseOfTheVectors lays each specimen and compares what is read with the vector of its data.
func TestAnswersAreThoseOfTheVectors(t *testing.T) {
	for specimen, vector := range map[string]string{
		"resident":           "resident card without end",
		"resident_rare_name": "resident card, name outside of the basic plane",
		"hongkong":           "residence card for Hong Kong",
		"taiwan":             "residence card for Taiwan",
		"foreigner_2017":     "foreigner 2017",
		"foreigner_2023":     "foreigner 2023, name in two fields",
	} {
		t.Run(specimen, func(t *testing.T) {
			serve(t, idreader.Settings{}, func(r *idreader.Reader, h host, _ *tape.Tape) {
				c, err := idreader.Specimen(specimen)
				if err != nil {
					t.Fatal(err)
				}
				h.want("status", "module is well")
				h.want("find", "status 80")
				if err := r.Lay(c, 0); err != nil {
					t.Fatal(err)
				}
				h.want("read", "status 41")
				h.want("find", "card found")
				h.want("select", "card selected")
				h.want("read", vector)
				h.want("find", "status 80") // it lies there, selected
				r.Lift()
				_ = r.Lay(c, 0)
				h.want("find", "card found")
			})
		})
	}
}

func TestEverySpecimenIsListed(t *testing.T) {
	for _, name := range idreader.Specimens() {
		if _, err := idreader.Specimen(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := idreader.Specimen("nobody"); err == nil || !strings.Contains(err.Error(), "foreigner_2023") {
		t.Errorf("unknown specimen: %v, want the list", err)
	}
}

func TestModuleNumber(t *testing.T) {
	number := "05000100" + "05253501" + "87d61200" + "b1cb7400"
	serve(t, idreader.Settings{Module: number}, func(_ *idreader.Reader, h host, _ *tape.Tape) { h.want("id", "module number") })
}

func TestBadRequests(t *testing.T) {
	serve(t, idreader.Settings{}, func(_ *idreader.Reader, h host, _ *tape.Tape) {
		h.want("find with a wrong checksum", "status 10")
		h.want("length too short", "status 11")
		h.want("command nobody knows", "status 21")
		h.want("find", "status 80")
	})
}

func TestLiftedTooEarly(t *testing.T) {
	serve(t, idreader.Settings{ReadMs: 800}, func(r *idreader.Reader, h host, tp *tape.Tape) {
		c, _ := idreader.Specimen("resident")
		if err := r.Lay(c, 500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		h.want("find", "card found")
		h.want("select", "card selected")
		h.want("read", "status 41")
		if s := r.State(); s.Card != "" || s.Reads != 0 {
			t.Errorf("state %+v", s)
		}
		text := ""
		for _, e := range tp.Since(t.Context(), "id-1", 0) {
			text += e.Text + "\n"
		}
		for _, want := range []string{"放上证件 张三", "寻卡", "选卡", "读卡", "提前取走"} {
			if !strings.Contains(text, want) {
				t.Errorf("the tape does not tell %q:\n%s", want, text)
			}
		}
	})
}

func TestFaultsOfCardAndModule(t *testing.T) {
	serve(t, idreader.Settings{FindsAgain: true}, func(r *idreader.Reader, h host, _ *tape.Tape) {
		c, _ := idreader.Specimen("resident")
		c.SelectStatus = 0x81
		_ = r.Lay(c, 0)
		h.want("find", "card found")
		h.want("select", "status 81")
		c.SelectStatus, c.ReadStatus = 0, 0x33
		_ = r.Lay(c, 0)
		h.want("find", "card found")
		h.want("select", "card selected")
		h.want("find", "card found") // this model finds it again
		h.want("select", "card selected")
		h.want("read", "status 33")
		r.SetModuleStatus(0x66)
		h.want("status", "status 66")
		h.want("find", "status 66")
	})
}

func TestCardsAndSettingsThatAreNone(t *testing.T) {
	r, err := idreader.New(idreader.Settings{}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Lay(idreader.Card{Kind: "library"}, 0); err == nil {
		t.Error("Lay of a library card: nil, want an error")
	}
	for _, s := range []string{`{"module":"0500"}`, `{"read_ms":-1}`} {
		var set idreader.Settings
		if err := json.Unmarshal([]byte(s), &set); err != nil {
			t.Fatal(err)
		}
		if _, err := idreader.New(set, tape.Recorder{}); err == nil {
			t.Errorf("%s: nil, want an error", s)
		}
	}
}

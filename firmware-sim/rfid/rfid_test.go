package rfid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yipiao/drivers/vectors"
	"yipiao/firmware-sim/board"
	"yipiao/firmware-sim/rfid"
	"yipiao/firmware-sim/tape"
)

// A host is the station's side, by hand.
type host struct {
	t    *testing.T
	end  *board.PipeEnd
	wire map[string][]byte
}

// hear returns what comes until the line is silent for a moment.
func (h host) hear(quiet time.Duration) (got []byte) {
	buf := make([]byte, 4096)
	for {
		_ = h.end.SetReadDeadline(time.Now().Add(quiet))
		n, err := h.end.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return got
		}
	}
}

// vector finds the bytes of a vector.
func (h host) vector(name string) []byte {
	h.t.Helper()
	w, ok := h.wire[name]
	if !ok {
		h.t.Fatalf("no vector %q", name)
	}
	return w
}

// want sends vectors and checks that the answer is other ones.
func (h host) want(questions, answers []string) {
	h.t.Helper()
	var ask, want []byte
	for _, q := range questions {
		ask = append(ask, h.vector(q)...)
	}
	for _, a := range answers {
		want = append(want, h.vector(a)...)
	}
	if _, err := h.end.Write(ask); err != nil {
		h.t.Fatal(err)
	}
	if got := h.hear(15 * time.Millisecond); !bytes.Equal(got, want) {
		h.t.Errorf("%v: % x, want %v % x", questions, got, answers, want)
	}
}

func serve(t *testing.T, protocol string, set rfid.Settings, test func(r *rfid.Reader, h host, tp *tape.Tape)) {
	t.Helper()
	set.Protocol = protocol
	folder := map[string]string{rfid.A0: "uhfa0", rfid.BB: "uhfbb", rfid.PN532: "pn532", rfid.CR95HF: "cr95hf", rfid.Wiegand: "wiegand"}[protocol]
	vs, err := vectors.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte, len(vs))
	for _, v := range vs {
		all[v.Name] = v.Wire
	}
	synctest.Test(t, func(t *testing.T) {
		tp := tape.New(200)
		r, err := rfid.New(set, tp.Recorder("rfid-1"))
		if err != nil {
			t.Fatal(err)
		}
		end, device := board.Pipe(errors.New("gone"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Serve(ctx, board.NewLine(device, 0)) }()
		synctest.Wait()
		test(r, host{t, end, all}, tp)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func put(t *testing.T, r *rfid.Reader, tag rfid.Tag) {
	t.Helper()
	if err := r.Put(tag); err != nil {
		t.Fatal(err)
	}
}

const epc = "e2801160600002083b5a1ca0"

func TestA0AnswersAreThoseOfTheVectors(t *testing.T) {
	serve(t, rfid.A0, rfid.Settings{Antennas: 8, Repeats: 3}, func(r *rfid.Reader, h host, tp *tape.Tape) {
		h.want([]string{"firmware"}, []string{"version 2.6"})
		h.want([]string{"command with a wrong check", "command for another reader"}, nil)
		h.want([]string{"one round"}, []string{"end of an empty round"})
		put(t, r, rfid.Tag{ID: epc})
		chip := "chip before antenna 1"
		h.want([]string{"one round"}, []string{chip, chip, chip, "end of a round with three reads"})
		put(t, r, rfid.Tag{ID: epc, Antenna: 4, RSSI: -81}) // walks over
		h.want([]string{"one round"}, []string{"end of an empty round"})
		_, _ = h.end.Write(h.vector("set antenna 4"))
		h.hear(15 * time.Millisecond)
		_, _ = h.end.Write(h.vector("one round"))
		if got := h.hear(15 * time.Millisecond); !bytes.HasPrefix(got, h.vector("chip before antenna 4, weak")) {
			t.Errorf("% x", got)
		}
		r.Take("")
		if s := r.State(); len(s.Chips) != 0 || s.Frames == 0 {
			t.Errorf("%+v", s)
		}
		text := ""
		for _, e := range tp.Since(t.Context(), "rfid-1", 0) {
			text += e.Text + "\n"
		}
		for _, want := range []string{"标签进场", "盘点一轮", "重复 2 次", "本轮 3 次", "标签离场"} {
			if !strings.Contains(text, want) {
				t.Errorf("the tape does not tell %q:\n%s", want, text)
			}
		}
	})
	serve(t, rfid.A0, rfid.Settings{Antennas: 1}, func(_ *rfid.Reader, h host, _ *tape.Tape) {
		h.want([]string{"set antenna 1"}, []string{"antenna is set"})
		h.want([]string{"set antenna 4"}, []string{"antenna is missing"})
	})
}

func TestA0SightsOfTheVectors(t *testing.T) {
	serve(t, rfid.A0, rfid.Settings{Antennas: 8, Repeats: 1}, func(r *rfid.Reader, h host, _ *tape.Tape) {
		vs, _ := vectors.Load("uhfa0")
		tried := 0
		for _, v := range vs {
			var m struct {
				Sight *struct {
					EPC     string `json:"epc"`
					Antenna int    `json:"antenna"`
					RSSI    int    `json:"rssi"`
				} `json:"sight"`
			}
			if err := json.Unmarshal(v.Meaning, &m); err != nil || m.Sight == nil {
				continue
			}
			tried++
			r.Take("")
			put(t, r, rfid.Tag{ID: m.Sight.EPC, Antenna: m.Sight.Antenna, RSSI: m.Sight.RSSI})
			set := []byte{0xA0, 4, 1, 0x74, byte(m.Sight.Antenna - 1)}
			_, _ = h.end.Write(append(set, byte(-(0xA0 + 4 + 1 + 0x74 + m.Sight.Antenna - 1))))
			h.hear(15 * time.Millisecond)
			_, _ = h.end.Write(h.vector("one round"))
			if got := h.hear(15 * time.Millisecond); !bytes.HasPrefix(got, v.Wire) {
				t.Errorf("%s: % x, want % x first", v.Name, got, v.Wire)
			}
		}
		if tried < 4 {
			t.Errorf("%d vectors tried", tried)
		}
	})
}

func TestBBAnswersAreThoseOfTheVectors(t *testing.T) {
	serve(t, rfid.BB, rfid.Settings{}, func(r *rfid.Reader, h host, _ *tape.Tape) {
		h.want([]string{"what are you"}, []string{"version"})
		h.want([]string{"command with a wrong sum"}, nil)
		h.want([]string{"one round"}, []string{"no chip"})
		for _, c := range []struct {
			name string
			tag  rfid.Tag
		}{
			{"chip", rfid.Tag{ID: epc}},
			{"chip whose EPC is full of heads and tails", rfid.Tag{ID: "bb7ebb7e7ebb000102037ebb", RSSI: -71}},
			{"chip with a short EPC", rfid.Tag{ID: "01020304", RSSI: -30}},
		} {
			r.Take("")
			put(t, r, c.tag)
			h.want([]string{"one round"}, []string{c.name})
		}
		_, _ = h.end.Write(h.vector("many rounds"))
		<-time.After(time.Second + 5*time.Millisecond) // between two rounds
		got := h.hear(10 * time.Millisecond)
		if n := bytes.Count(got, h.vector("chip with a short EPC")); n < 140 || n > 160 {
			t.Errorf("%d sights in a second of 50 rounds with three each", n)
		}
		h.want([]string{"stop"}, []string{"stopped"})
		r.Take("")
		if got := h.hear(time.Second); len(got) != 0 {
			t.Errorf("after stop: % x", got)
		}
	})
}

func TestPN532AnswersAreThoseOfTheVectors(t *testing.T) {
	serve(t, rfid.PN532, rfid.Settings{}, func(r *rfid.Reader, h host, _ *tape.Tape) {
		h.want([]string{"firmware"}, nil) // asleep
		h.want([]string{"wake-up", "SAM configuration"}, []string{"ACK", "SAM is configured"})
		h.want([]string{"firmware"}, []string{"ACK", "PN532 1.6"})
		h.want([]string{"command with a wrong checksum"}, nil)
		h.want([]string{"look for a card"}, []string{"ACK", "no card"})
		for _, uid := range []string{"04a1b2c3", "04a1b2c3d4e5f6", "0000ff00ff0000ff01a2"} {
			r.Take("")
			put(t, r, rfid.Tag{ID: uid})
			h.want([]string{"look for a card"}, []string{"ACK", fmt.Sprintf("card with %d bytes", len(uid)/2)})
		}
		_, _ = h.end.Write([]byte{0, 0, 0xFF, 2, 0xFE, 0xD4, 0x77, 0xB5, 0})
		if got := h.hear(15 * time.Millisecond); !bytes.Equal(got, h.vector("syntax error")) {
			t.Errorf("% x", got)
		}
	})
}

func TestCR95HFAnswersAreThoseOfTheVectors(t *testing.T) {
	serve(t, rfid.CR95HF, rfid.Settings{}, func(r *rfid.Reader, h host, _ *tape.Tape) {
		h.want([]string{"echo"}, []string{"echo came back"})
		h.want([]string{"identification"}, []string{"what it is"})
		put(t, r, rfid.Tag{ID: "e00401586de02802"})
		h.want([]string{"inventory"}, []string{"nobody answers"}) // no protocol yet
		h.want([]string{"select ISO 15693"}, []string{"protocol selected"})
		h.want([]string{"inventory"}, []string{"chip of the maker"})
		r.Take("")
		put(t, r, rfid.Tag{ID: "e0875580000d5500"})
		h.want([]string{"inventory"}, []string{"chip with bytes that look like answers"})
		put(t, r, rfid.Tag{ID: "e004015012345678"})
		_, _ = h.end.Write(h.vector("inventory"))
		if got := h.hear(15 * time.Millisecond); len(got) != 15 || got[14] != 1 {
			t.Errorf("two chips: % x", got)
		}
	})
}

func TestWiegandLinesAreThoseOfTheVectors(t *testing.T) {
	serve(t, rfid.Wiegand, rfid.Settings{}, func(r *rfid.Reader, h host, _ *tape.Tape) {
		if got := h.hear(time.Second); !bytes.Equal(got, h.vector("sign of life")) {
			t.Errorf("%q", got)
		}
		vs, _ := vectors.Load("wiegand")
		for _, v := range vs {
			var m struct {
				Bits int    `json:"bits"`
				ID   string `json:"id"`
			}
			if err := json.Unmarshal(v.Meaning, &m); err != nil || m.Bits == 0 {
				continue
			}
			put(t, r, rfid.Tag{ID: m.ID, Bits: m.Bits})
			if got := h.hear(15 * time.Millisecond); !bytes.Equal(got, v.Wire) {
				t.Errorf("%s: %q, want %q", v.Name, got, v.Wire)
			}
		}
	})
}

func TestChipsAndSettingsThatAreNone(t *testing.T) {
	for _, s := range []rfid.Settings{{}, {Protocol: "llrp"}, {Protocol: rfid.A0, Antennas: 9}, {Protocol: rfid.BB, Repeats: 1000}} {
		if _, err := rfid.New(s, tape.Recorder{}); err == nil {
			t.Errorf("%+v: nil, want an error", s)
		}
	}
	r, err := rfid.New(rfid.Settings{Protocol: rfid.A0}, tape.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []rfid.Tag{{ID: "zz"}, {ID: "010203"}, {ID: epc, RSSI: 5}, {ID: epc, Antenna: 9}} {
		if err := r.Put(tag); err == nil {
			t.Errorf("%+v: nil, want an error", tag)
		}
	}
	if err := r.Raw(t.Context(), []byte{1}); !errors.Is(err, board.ErrUnplugged) {
		t.Errorf("Raw without a line: %v", err)
	}
}

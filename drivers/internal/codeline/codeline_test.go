package codeline_test

import (
	"strings"
	"testing"
	"time"

	"yipiao/drivers"
	"yipiao/drivers/internal/codeline"
	"yipiao/drivers/internal/vitals"
)

func TestReader(t *testing.T) {
	var scans []drivers.Scan
	var health drivers.Health
	emit := func(e drivers.Event) {
		switch e := e.(type) {
		case drivers.Scan:
			scans = append(scans, e)
		case drivers.Health:
			health = e
		}
	}
	v, well, now := vitals.New(emit), 0, time.Unix(1000, 0)
	r := codeline.NewReader(codeline.Defaults(), emit, v, func() { well++; v.Set(drivers.StateOK, "") })
	r.Take([]byte("]Q1T1:AB\rT1"), now)
	if len(scans) != 1 || scans[0].AIM != "]Q1" || !scans[0].At.Equal(now) || well != 1 {
		t.Fatalf("%+v, %d well", scans, well)
	}
	if at, ok := r.Due(); !ok || at.Sub(now) != 50*time.Millisecond {
		t.Errorf("due %v, %v", at.Sub(now), ok)
	}
	r.Idle()
	r.Idle() // nothing has begun
	for range 2 {
		r.Take([]byte("\xFF\r"), now)
	}
	v.Flush(now)
	if len(scans) != 4 || health.State != drivers.StateAttention || health.Errors != 3 || health.Frames != 1 {
		t.Errorf("%+v, %+v; want attention after three bad reads", scans, health)
	}
	if _, ok := r.Due(); ok {
		t.Error("due between lines")
	}
}

func TestSettings(t *testing.T) {
	if err := codeline.Defaults().Validate(); err != nil {
		t.Error(err)
	}
	err := codeline.Settings{IdleMs: 1, Limit: 1}.Validate()
	if err == nil || !strings.Contains(err.Error(), "idle_ms") || !strings.Contains(err.Error(), "limit") {
		t.Errorf("%v, want both named", err)
	}
}

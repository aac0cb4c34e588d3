package main

import "context"

// deviceTickets is enough for every scan of the section.
const deviceTickets = 4000

// devices measures 16 lanes whose simulated lines take the time that wires take.
func (b *benchRun) devices(ctx context.Context) error {
	s, err := b.ready(ctx, "devices", deviceTickets)
	if err != nil {
		return err
	}
	defer s.close()
	s.cloud.take(true)
	if err := s.stop(); err != nil {
		return err
	}
	for _, line := range []struct {
		baud    int
		section string
	}{{9600, "16 lanes, scanner and gate at 9600 baud"}, {115200, "16 lanes, scanner and gate at 115200 baud"}} {
		err := b.scanning(ctx, s, line.baud, func(h *laneTimes, rawP99 float64) {
			f := most(line.section, "scan in to gate command out, p99", "ms", h.total.quantile(0.99), 20)
			f.Callers, f.P50, f.P99, f.P999 = benchLanes, h.total.quantile(0.5), h.total.quantile(0.99), h.total.quantile(0.999)
			f.Note = "the gate's line is in it, at its speed"
			b.add(f.against(rawP99))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

package console_test

import (
	"testing"
	"time"

	"yipiao/cloud/internal/console"
	"yipiao/sync/ticket"
	"yipiao/sync/webui/webtest"
)

func TestBrowser(t *testing.T) {
	c := newCloud(t, evening(time.Now()))
	url := c.listen(t)
	b := webtest.Open(t)
	b.SystemDark(true)
	b.Login(url, "运营", "correct horse")
	b.Run("a fact appears on top without loading the page again", func(t *testing.T, b *webtest.Browser) { appears(t, c, b) })
	b.Run("a lost station is said", func(_ *testing.T, b *webtest.Browser) { lost(c, b) })
	b.Run("four-byte characters are drawn", func(_ *testing.T, b *webtest.Browser) { b.Draws("𠮷") })
	b.Run("fits in both languages and every state", func(_ *testing.T, b *webtest.Browser) { everywhere(c, b, url) })
	b.NoErrors()
}

func appears(t *testing.T, c *cloud, b *webtest.Browser) {
	t.Helper()
	webtest.Eval[bool](b, `(() => { window.same = document.getElementById('fact-17-48213'); return true; })()`)
	o := evening(time.Now())
	o.Facts = append([]console.Fact{fact(48214, time.Now(), "1号通道", "5排 05座", ticket.Refunded)}, o.Facts...)
	c.source.set(o)
	c.bus.Publish(console.EventFacts)
	b.Await(`document.querySelector('#facts tbody tr').innerText.includes('不放行：已退票')`)
	if !webtest.Eval[bool](b, `window.same.isConnected && document.querySelectorAll('#facts tbody tr')[1] === window.same`) {
		t.Error("the table was built anew")
	}
}

func lost(c *cloud, b *webtest.Browser) {
	c.source.set(outage(time.Now()))
	c.bus.Publish(console.EventContact)
	b.Await(`document.querySelector('#stations tbody tr').innerText.includes('失联')`)
	b.Await(`document.getElementById('session-9003').innerText.includes('≥ 312')`)
	b.Await(`document.getElementById('kpi-entered').innerText.includes('1,124+')`)
}

// everywhere looks at every state in both languages, at every width.
func everywhere(c *cloud, b *webtest.Browser, url string) {
	states := []struct {
		name string
		o    func(time.Time) console.Overview
	}{
		{"evening", evening},
		{"outage", outage},
		{"empty", func(time.Time) console.Overview { return console.Overview{Name: "示例票务"} }},
	}
	for _, st := range states {
		c.source.set(st.o(time.Now()))
		for _, lang := range []string{"zh", "en"} {
			b.Go(url + "/?lang=" + lang + "&theme=light")
			b.Fits()
			b.Languages()
			b.Labelled()
			if webtest.Shoots() {
				pictures(b, url, st.name, lang)
			}
		}
	}
}

func pictures(b *webtest.Browser, url, state, lang string) {
	for _, width := range []int64{1440, 360} {
		b.Size(width, 900)
		size := map[int64]string{1440: "1440", 360: "360"}[width]
		b.Shot("cloud-" + state + "-" + size + "-light-" + lang)
		if lang == "zh" {
			b.Go(url + "/?theme=dark")
			b.Shot("cloud-" + state + "-" + size + "-dark-" + lang)
			b.Go(url + "/?theme=light")
		}
	}
}

package maint_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yipiao/edge/internal/lane"
	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
	"yipiao/sync/webui/webtest"
)

func TestBrowser(t *testing.T) {
	s := newStation(t, evening(time.Now()))
	url := s.listen(t)
	b := webtest.Open(t)
	b.SystemDark(false)
	b.Go(url + "/login")
	b.Fits()
	b.Shot("station-login-zh")
	b.Login(url, "技术员", "correct horse")
	b.Await(`document.querySelector('#lanes .age').textContent.includes('秒前')`)

	b.Run("a verdict appears without loading the page again", func(t *testing.T, b *webtest.Browser) { appears(t, s, b) })
	b.Run("four-byte characters are drawn", func(_ *testing.T, b *webtest.Browser) { b.Draws("𠮷") })
	b.Run("fits in both languages and every state", func(_ *testing.T, b *webtest.Browser) { everywhere(s, b, url) })
	b.Run("theme", func(t *testing.T, b *webtest.Browser) { theme(t, b, url) })
	b.Run("silence is said", func(_ *testing.T, b *webtest.Browser) { silence(s, b, url) })
	b.NoErrors()
}

// TestBrowser_lookingBack walks the documents that look back.
func TestBrowser_lookingBack(t *testing.T) {
	s, a := lookBack(t)
	a.cloud, a.used = true, 2
	url := s.listen(t)
	b := webtest.Open(t)
	b.SystemDark(false)
	b.Login(url, "技术员", "correct horse")
	b.Follow(`a[href="/checks"]`)
	b.Await(`document.querySelectorAll('tbody tr').length === 50`)
	webtest.Eval[bool](b, `(() => { document.querySelector('[name=q]').value = '12排'; return true; })()`)
	b.Follow(`form.filter button`)
	b.Await(`document.querySelectorAll('tbody tr').length === 2 && location.search === ''`)
	b.Follow(`td a`)
	b.Await(`document.body.innerText.includes('来自云端')`)
	s.bus.Publish(maint.EventQueue) // a document without the changed parts takes the stream all the same
	b.Await(`document.querySelector('#bar .age').textContent.includes('秒前')`)
	b.Follow(`a[href="/shifts"]`)
	b.Follow(`form[action="/shifts"] button`)
	b.Await(`document.body.innerText.includes('进行中')`)
	for _, path := range []string{"/checks", "/checks/5", "/shifts", "/events"} {
		for _, lang := range []string{"zh", "en"} {
			b.Go(url + path + "?theme=light&lang=" + lang)
			b.Fits()
			b.Languages()
			b.Labelled()
			if webtest.Shoots() {
				for _, width := range []int64{1280, 390} {
					b.Size(width, 900)
					b.Shot(fmt.Sprintf("desk%s-%d-%s", strings.ReplaceAll(path, "/", "-"), width, lang))
				}
			}
		}
	}
	b.NoErrors()
}

func appears(t *testing.T, s *station, b *webtest.Browser) {
	t.Helper()
	webtest.Eval[bool](b, `(() => { window.same = document.getElementById('lane-31'); return true; })()`)
	began := time.Now()
	s.source.change(func(o *maint.Overview) {
		o.Lanes[0].Last = lane.Shown{Verdict: ticket.Verdict{Reason: ticket.MaxEntries}, Seat: "3排 01座", At: time.Now()}
	})
	s.bus.Publish(maint.EventVerdict)
	b.Await(`document.getElementById('lane-31').innerText.includes('不放行·3排 01座')`)
	t.Logf("seen after %v", time.Since(began))
	if !webtest.Eval[bool](b, `window.same === document.getElementById('lane-31') && window.same.isConnected`) {
		t.Error("the tile was built anew, or the page loaded again")
	}
	b.Await(`document.getElementById('lane-31').innerText.includes('` + ticket.MaxEntriesSentence + `')`)
	b.Await(`document.getElementById('announce').innerText.includes('不放行')`)
	s.source.change(func(o *maint.Overview) { o.Lanes = o.Lanes[1:] })
	s.bus.Publish(maint.EventLane)
	b.Await(`!document.getElementById('lane-31') && !!document.getElementById('lane-32')`)
}

// everywhere looks at every state in both languages, at every width.
func everywhere(s *station, b *webtest.Browser, url string) {
	states := []struct {
		name string
		o    func(time.Time) maint.Overview
	}{
		{"evening", evening},
		{"outage", outage},
		{"empty", func(time.Time) maint.Overview { return fresh() }},
	}
	for _, st := range states {
		s.source.change(func(o *maint.Overview) {
			*o = st.o(time.Now())
			o.Station = 17 // the session cookie is this station's
		})
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
		b.Shot("station-" + state + "-" + size + "-light-" + lang)
		if lang == "zh" {
			b.Go(url + "/?theme=dark")
			b.Shot("station-" + state + "-" + size + "-dark-" + lang)
			b.Go(url + "/?theme=light")
		}
	}
}

func theme(t *testing.T, b *webtest.Browser, url string) {
	t.Helper()
	background := func() string {
		return webtest.Eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	}
	b.Go(url + "/?theme=light&lang=en")
	b.Size(1440, 900)
	light := background()
	b.Click(".to-dark")
	dark := background()
	if light != "rgb(243, 244, 242)" || dark != "rgb(15, 18, 21)" {
		t.Errorf("backgrounds %s and %s", light, dark)
	}
	b.Follow(`a[hreflang="zh-CN"]`)
	b.Await(`document.documentElement.lang === 'zh-CN' && document.title.includes('驿票')`)
	if got := background(); got != dark {
		t.Errorf("after another page the background is %s", got)
	}
}

// silence closes the stream and lets the page's clock jump.
func silence(s *station, b *webtest.Browser, url string) {
	b.Go(url + "/?lang=zh&theme=light")
	s.source.change(func(o *maint.Overview) { *o = evening(time.Now()); o.Aside = 31 })
	s.bus.Publish(maint.EventFeed)
	b.Await(`document.getElementById('feed').innerText.includes('31')`)
	s.bus.Close()
	webtest.Eval[bool](b, `(() => {
		const now = performance.now.bind(performance);
		performance.now = () => now() + 18000;
		return true;
	})()`)
	b.Await(`[...document.querySelectorAll('.age')].every((e) => /^页面 \d+ 秒未更新$/.test(e.innerText.trim()))`)
}

package webtest

import "fmt"

// Widths are those at which no page may be wider than its window.
func Widths() []int64 { return []int64{360, 768, 1440} }

// Fits checks at every width that the page is not wider than the window.
func (b *Browser) Fits() {
	b.t.Helper()
	for _, w := range Widths() {
		b.Size(w, 900)
		if wide := Eval[string](b, wider); wide != "" {
			b.t.Errorf("at %d px the page is too wide: %s", w, wide)
		}
	}
}

const wider = `(() => {
  const page = document.scrollingElement;
  if (page.scrollWidth <= innerWidth) return '';
  const out = [...document.querySelectorAll('body *')].filter((e) =>
    e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.scroll *'));
  return page.scrollWidth + ': ' + out.map((e) => e.outerHTML.slice(0, 80)).join(' | ');
})()`

// Languages checks that every text says its language: Chinese stands in elements marked as Chinese,
// English words in elements marked as English.
func (b *Browser) Languages() {
	b.t.Helper()
	if wrong := Eval[[]string](b, wrongLanguage); len(wrong) > 0 {
		b.t.Errorf("texts in an element of another language: %q", wrong)
	}
}

const wrongLanguage = `(() => {
  const wrong = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = texts.nextNode(); n; n = texts.nextNode()) {
    const el = n.parentElement, text = n.data.trim();
    if (!text || el.closest('noscript, [translate=no]')) continue;
    const lang = el.closest('[lang]').lang;
    const han = /\p{Script=Han}/u.test(text);
    if (han && lang !== 'zh-CN') wrong.push(lang + ': ' + text);
    if (!han && /\p{Script=Latin}{3}/u.test(text) && lang !== 'en') wrong.push(lang + ': ' + text);
  }
  return wrong;
})()`

// Labelled checks that every control and every picture with a role has a name.
func (b *Browser) Labelled() {
	b.t.Helper()
	if bare := Eval[[]string](b, bareControls); len(bare) > 0 {
		b.t.Errorf("without a name: %q", bare)
	}
}

const bareControls = `[...document.querySelectorAll('a,button,input:not([type=hidden]),select,[role=img]')].filter((e) =>
  !(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label')?.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 120))`

// Draws checks that the browser has a glyph of its own for every character, not the box.
func (b *Browser) Draws(chars string) {
	b.t.Helper()
	if boxes := Eval[[]string](b, fmt.Sprintf(undrawn, chars)); len(boxes) > 0 {
		b.t.Errorf("drawn as a box: %q", boxes)
	}
}

const undrawn = `(() => {
  const picture = (c) => {
    const canvas = document.createElement('canvas');
    const g = canvas.getContext('2d', { willReadFrequently: true });
    g.font = '24px ' + getComputedStyle(document.body).fontFamily;
    g.fillText(c, 2, 30);
    return g.getImageData(0, 0, 40, 40).data.join();
  };
  const box = picture('\u{3fffd}');
  return [...%q].filter((c) => picture(c) === box);
})()`

// Package webtest drives a real browser over the pages that are built on webui: it logs in, waits for
// what should appear, and checks what must hold on every page. It must not know any page's content.
package webtest

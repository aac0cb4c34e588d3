// Package webui is the look and the live behaviour that the station's and the cloud's pages share:
// tokens and components (assets/yipiao.css), icons, texts in two languages, ages of data, and the Bus
// that carries changes to open pages as server-sent events.
//
// It knows languages, verdict words and how a page is patched. It must not know where a page's data
// comes from, stations, lanes, the cloud, who may look, or an HTTP framework: sync/webui/shell is the
// adapter to Fiber, and the pages live with their own ends.
package webui

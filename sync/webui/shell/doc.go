// Package shell is what stands around a live page on a Fiber router: log-in and log-out, the session
// cookie, language and theme, security headers, the check that a form comes from this site, the stream
// of changes, assets, and pages that say what went wrong.
//
// It knows HTTP and package webui. It must not know what a page shows, where accounts are kept, or
// which end it runs at.
package shell

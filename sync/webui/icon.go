package webui

import (
	"fmt"
	"html/template"
)

// icons are 24×24 line drawings; each is used by a page.
func icons() map[string]string {
	return map[string]string{
		"alert":  `<path d="M12 3.5L22 20.5H2z"/><path d="M12 10v4.5M12 17.4v.01"/>`,
		"bang":   `<path d="M12 4v10M12 19.5v.01"/>`,
		"cable":  `<path d="M8 3v5M16 3v5M5.5 8h13v3a6.5 6.5 0 0 1-13 0zM12 17.5V22"/>`,
		"check":  `<path d="M4 12.5l5.500 5.500L20 7"/>`,
		"clock":  `<circle cx="12" cy="12" r="9"/><path d="M12 7v5.500l3.500 2"/>`,
		"cross":  `<path d="M6 6l12 12M18 6L6 18"/>`,
		"flag":   `<path d="M5 21V4h12l-2.500 4L17 12H5"/>`,
		"globe":  `<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18"/>`,
		"info":   `<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 7.600v.01"/>`,
		"moon":   `<path d="M20 14.500A8.500 8.500 0 1 1 9.500 4a6.800 6.800 0 0 0 10.500 10.500z"/>`,
		"out":    `<path d="M14 4h5v16h-5M3 12h11M10 8l4 4-4 4"/>`,
		"q":      `<path d="M8.500 9a3.500 3.500 0 1 1 5 3.200c-1 .5-1.500 1.100-1.500 2.300M12 18.500v.01"/>`,
		"sun":    `<circle cx="12" cy="12" r="4"/><path d="M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400"/>`,
		"unlink": `<path d="M9.500 14.500L7 17a3.500 3.500 0 0 1-5-5l3-3M14.500 9.500L17 7a3.500 3.500 0 0 1 5 5l-3 3M3 3l18 18"/>`,
		"user":   `<circle cx="12" cy="8" r="4"/><path d="M4 21c.8-4 4-6 8-6s7.200 2 8 6"/>`,
	}
}

// iconFunc returns the template function icon: an inline drawing beside a word.
func iconFunc() func(name string) (template.HTML, error) {
	drawn := make(map[string]template.HTML)
	for name, d := range icons() {
		drawn[name] = template.HTML(`<svg class="i" viewBox="0 0 24 24" aria-hidden="true">` + d + `</svg>`) //nolint:gosec // constants above
	}
	return func(name string) (template.HTML, error) {
		h, ok := drawn[name]
		if !ok {
			return "", fmt.Errorf("icon %q: no such icon", name)
		}
		return h, nil
	}
}

package printing

import (
	"errors"
	"fmt"

	"yipiao/drivers/face"
	"yipiao/drivers/internal/settings"
)

// Paper is what every printer driver lets a technician set.
type Paper struct {
	Dots   int        `json:"dots"`   // width of the print head
	DPI    int        `json:"dpi"`    // dots per inch: 180, 203, 300 or 600
	Rotate int        `json:"rotate"` // how faces are turned to lie on the paper: 0, 90, 180, 270 clockwise
	Fonts  face.Fonts `json:"fonts"`  // files; default Debian's fonts-noto-cjk
}

// DefaultPaper is a head of so many dots at 203 dpi.
func DefaultPaper(dots int) Paper {
	return Paper{Dots: dots, DPI: 203, Fonts: face.DefaultFonts()}
}

// Validate names the key that is wrong.
func (p Paper) Validate() error {
	err := errors.Join(
		settings.Between("dots", p.Dots, 100, 5000),
		settings.Between("dpi", p.DPI, face.MinDPI, face.MaxDPI),
	)
	if p.Rotate%90 != 0 || p.Rotate < 0 || p.Rotate > 270 {
		err = errors.Join(err, fmt.Errorf("settings: rotate is %d, want 0, 90, 180 or 270", p.Rotate))
	}
	return err
}

// Render makes the dots of a page as they lie under the head. A page that is wider than the head is an
// error: what is cut off might be the code.
func (p Paper) Render(r *face.Renderer, page *face.Page) (*face.Bitmap, face.Report, error) {
	b, report, err := r.Raster(page, p.DPI)
	if err != nil {
		return nil, report, err
	}
	b = b.Rotate(p.Rotate)
	if b.Width > p.Dots {
		return nil, report, fmt.Errorf("face %q is %d dots wide on paper, the head has %d", page.Face.Name, b.Width, p.Dots)
	}
	return b, report, nil
}

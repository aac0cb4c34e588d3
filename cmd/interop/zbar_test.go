package interop

import (
	"context"
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/text/encoding/simplifiedchinese"

	"yipiao/drivers"
	"yipiao/drivers/escpos"
	"yipiao/drivers/face"
	"yipiao/drivers/face/sample"
	"yipiao/drivers/fgl"
	"yipiao/drivers/tspl"
	"yipiao/drivers/zpl"
	"yipiao/sync/ticket"
)

// turn is how a face lies on the paper of a roll of 80 mm.
var turn = map[string]int{"show": 90, "cinema": 0, "coach": 90}

// TestPrintedTicketsAgainstZbar: every sample face, printed by every driver into a simulated printer, reads by zbar as
// exactly the credential and the number that were printed (SHOW-6.2.1.2-a). With YIPIAO_PICTURES=dir the pictures stay.
func TestPrintedTicketsAgainstZbar(t *testing.T) {
	need(t, "zbarimg", "zbar-tools")
	dir := os.Getenv("YIPIAO_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	public, private := keys()
	for _, kind := range []drivers.Kind{escpos.Kind(), fgl.Kind(), zpl.Kind(), tspl.Kind()} {
		for i, name := range sample.Names() {
			t.Run(kind.Name+"/"+name, func(t *testing.T) {
				want := ticket.Credential{
					Key: 2, Tenant: 330106, Session: ticket.SessionID(126000 + i), Group: 2, Ticket: ticket.TicketID(900000 + i),
					Number: uint16(i), Random: [8]byte{byte(i), 0xFF, 0x80, 0x7F},
				}
				want.Sign(private)
				f, values, err := sample.Face(name)
				if err != nil {
					t.Fatal(err)
				}
				values["credential"] = want.Text()
				page := laidOut(t, f, values)
				path := filepath.Join(dir, kind.Name+"-"+name+".png")
				synctest.Test(t, func(t *testing.T) { printed(t, kind, turn[name], page, path) })

				codes := scanned(t, path)
				if number := "CODE-128:" + values["serial"]; !slices.Equal(codes, []string{number, "QR-Code:" + want.Text()}) {
					t.Fatalf("zbar reads %q, want %q and %q", codes, number, want.Text())
				}
				got, err := ticket.ParseCredential(strings.TrimPrefix(codes[1], "QR-Code:"))
				if err != nil || got != want || got.Verify(public) != nil {
					t.Errorf("credential %+v, %v; want %+v", got, err, want)
				}
			})
		}
	}
}

// keys are for this test only.
func keys() (ed25519.PublicKey, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed([]byte("interop: nobody trusts this key."))
	return private.Public().(ed25519.PublicKey), private
}

// laidOut is a page whose letters all have a glyph and their place, one that GB 18030 writes with four bytes among them.
func laidOut(t *testing.T, f *face.Face, values face.Values) *face.Page {
	t.Helper()
	if !fourBytes(values["holder"]) {
		t.Errorf("holder %s has no character of four bytes", values["holder"])
	}
	page, err := face.Layout(f, values)
	if err != nil {
		t.Fatal(err)
	}
	_, report, err := face.NewRenderer(face.DefaultFonts()).Raster(page, 203)
	if err != nil || len(report.Missing) != 0 || len(report.Cut) != 0 {
		t.Errorf("%v, missing %q, cut %v", err, report.Missing, report.Cut)
	}
	return page
}

func fourBytes(s string) bool {
	for _, r := range s {
		if b, err := simplifiedchinese.GB18030.NewEncoder().String(string(r)); err == nil && len(b) == 4 {
			return true
		}
	}
	return false
}

// scanned is what zbarimg finds in a picture, with the kinds of the codes, sorted.
func scanned(t *testing.T, path string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "zbarimg", "--nodbus", "-q", path).Output() // without what it may complain about
	if err != nil {
		t.Fatalf("zbarimg: %v", err)
	}
	codes := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(codes)
	return codes
}

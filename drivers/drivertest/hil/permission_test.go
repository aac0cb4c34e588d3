package hil

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"yipiao/drivers/port"
	"yipiao/drivers/port/evdevport"
	"yipiao/drivers/port/hidport"
	"yipiao/drivers/port/lpport"
	"yipiao/drivers/port/serialport"
	"yipiao/firmware-sim/usbip"
)

// nobodyEnv tells this program to open ports instead of running tests: type and name of each, between blanks.
const nobodyEnv = "YIPIAO_HIL_OPEN"

// openAsNobody says of each port whether opening it was refused for want of permission, and the error.
func openAsNobody() {
	words := strings.Fields(os.Getenv(nobodyEnv))
	for i := 0; i+1 < len(words); i += 2 {
		p, err := openKind(words[i], words[i+1])
		if err == nil {
			_ = p.Close()
		}
		fmt.Printf("%s %v %v\n", words[i], errors.Is(err, fs.ErrPermission), err)
	}
}

func openKind(kind, name string) (port.Port, error) {
	switch kind {
	case "hid":
		return nilPort(hidport.Open(hidport.Config{Path: name}))
	case "evdev":
		return nilPort(evdevport.Open(evdevport.Config{Path: name}))
	case "serial":
		return nilPort(serialport.Open(serialport.Config{Path: name}))
	}
	return nilPort(lpport.Open(lpport.Config{USB: name}))
}

// testPermission: a program without the right to a device says so, and does not take the device for missing.
func testPermission(t *testing.T) {
	v := &virtual{model: usbip.Scanner("SCN0001"), hub: hubHID}
	w := &virtual{model: usbip.Wedge("KBD0001"), hub: hubWedge}
	serial, printer := newGadget(t, udcScanner, "acm.scanner", nil), newGadget(t, udcPrinter, "printer.0", nil)
	for _, d := range []struct {
		plugIn  func() error
		pullOut func()
	}{{v.plugIn, v.pullOut}, {w.plugIn, w.pullOut}, {serial.plugIn, serial.pullOut}, {printer.plugIn, printer.pullOut}} {
		await(t, "a device to be plugged in", d.plugIn)
		defer d.pullOut()
	}
	ports := map[string]string{"hid": v.path(), "lp": printer.path()}
	await(t, "the device nodes", func() (err error) {
		if ports["serial"], err = serialNode(serial.path()); err != nil {
			return err
		}
		ports["evdev"], err = eventNode(w.path())
		return err
	})
	var words []string
	for kind, name := range ports {
		await(t, kind+" to open for root", func() error {
			p, err := openKind(kind, name)
			if err == nil {
				_ = p.Close()
			}
			return err
		})
		words = append(words, kind, name)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{nobodyEnv + "=" + strings.Join(words, " ")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for kind, name := range ports {
		if !bytes.Contains(out, []byte(kind+" true open")) || !bytes.Contains(out, []byte(name)) && kind != "lp" {
			t.Errorf("%s %s as nobody, want permission denied and the name:\n%s", kind, name, out)
		}
	}
}

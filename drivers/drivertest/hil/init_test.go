package hil

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is the init of the virtual machine: it loads the drivers, runs the tests and switches the machine off.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(nobodyEnv) != "":
		openAsNobody()
	case os.Getpid() == 1:
		boot(m)
	}
}

func boot(m *testing.M) {
	if err := errors.Join(mountAll(), loadModules("/modules")); err != nil {
		fmt.Println("hil: boot:", err)
	} else {
		fmt.Println("hil: booted")
		fmt.Printf("hil: end %d\n", m.Run())
	}
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, 1) // until the line has carried it all
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func mountAll() error {
	// A scanner that types garbage must not restart the machine.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF)
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return os.WriteFile("/proc/sys/kernel/sysrq", []byte("0"), 0)
}

// loadModules loads what the file order names, one module and its parameters a line.
func loadModules(dir string) error {
	order, err := os.ReadFile(dir + "/order")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(order)) {
		name, parameters, _ := strings.Cut(strings.TrimSpace(line), " ")
		f, err := os.Open(dir + "/" + name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), parameters, 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	if err := unix.Mount("configfs", gadgets, "configfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", gadgets, err)
	}
	return nil
}

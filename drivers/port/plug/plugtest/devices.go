package plugtest

// Devices as they are sold. Identifiers and names are those of public lists and of the kernel's drivers; serial
// numbers are invented.

// CH340 is an adapter without a serial number.
func CH340(port string, number int, tty string) Device {
	return Device{
		Port: port, Number: number, Vendor: "1a86", Product: "7523", Name: "USB Serial",
		Interfaces: []Interface{{Class: "ff", Driver: "ch341", TTY: tty}},
	}
}

// FTDI is an adapter with one.
func FTDI(port string, number int, tty, serial string) Device {
	return Device{
		Port: port, Number: number, Vendor: "0403", Product: "6001", Manufacturer: "FTDI", Name: "FT232R USB UART", Serial: serial,
		Interfaces: []Interface{{Class: "ff", Driver: "ftdi_sio", TTY: tty}},
	}
}

// Honeywell is a Vuquest in HID-POS mode.
func Honeywell(port string, number int) Device {
	return Device{
		Port: port, Number: number, Vendor: "0c2e", Product: "0b61", Manufacturer: "Honeywell", Name: "3310 Vuquest", Serial: "16159B0A7C",
		Interfaces: []Interface{{Class: "03", Driver: "usbhid", Report: HIDPOS}},
	}
}

// Wedge is a Newland scanner in keyboard mode.
func Wedge(port string, number int, event string) Device {
	return Device{
		Port: port, Number: number, Vendor: "1eab", Product: "8203", Manufacturer: "Newland", Name: "EM3080",
		Interfaces: []Interface{{Class: "03", Sub: "01", Driver: "usbhid", Event: event, Report: Keyboard}},
	}
}

// Keys is an ordinary keyboard.
func Keys(port string, number int, event string) Device {
	return Device{
		Port: port, Number: number, Vendor: "046d", Product: "c31c", Manufacturer: "Logitech", Name: "USB Keyboard",
		Interfaces: []Interface{{Class: "03", Sub: "01", Driver: "usbhid", Event: event, Report: Keyboard}},
	}
}

// Epson is a receipt printer.
func Epson(port string, number int, lp string) Device {
	return Device{
		Port: port, Number: number, Vendor: "04b8", Product: "0e03", Manufacturer: "EPSON", Name: "TM-T20", Serial: "4D5A4B433031",
		Interfaces: []Interface{{Class: "07", Sub: "01", Driver: "usblp", LP: lp}},
	}
}

package plug

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"yipiao/drivers"
)

// A Model is what is known of a thing that is plugged in.
type Model struct {
	Title string   `json:"title"` // Chinese / English
	Kinds []Choice `json:"kinds"` // protocols that it may speak, the likeliest first
	// Ask says that nothing tells which of the kinds it is: a serial adapter does not know what hangs on it.
	Ask  bool   `json:"ask,omitempty"`
	Sure bool   `json:"sure"`          // from public lists of identifiers; otherwise it is a guess
	Note Reason `json:"note,omitzero"` // what to do or to look at first
}

// A Choice is a protocol with the speed of a serial line that its devices usually have, 0 where there is none.
type Choice struct {
	Kind string `json:"kind"`
	Baud int    `json:"baud,omitempty"`
}

// What a Model may ask people to do.
var (
	ChooseKind    = Reason{"choose_kind", "接的是什么，请选 kind (choose the kind of what is connected)"}
	CheckLanguage = Reason{"check_language", "先看铭牌或自检页上的指令集：escpos、fgl、zpl 或 tspl (look up the printer's language)"}
	SetHIDPOS     = Reason{"set_hid_pos", "请用说明书上的设置码把它改成 HID-POS 或串口方式 (set it to HID-POS or serial)"}
	MaybeKeyboard = Reason{"maybe_keyboard", "若是扫码器，kind 用 wedge；真正的键盘不要配，否则打不了字 (wedge if it is a scanner; never a real keyboard)"}
)

// A maker is one vendor's models.
type maker struct {
	Vendor   string                        `json:"vendor"`
	Title    string                        `json:"title"`
	Sure     bool                          `json:"sure"`
	Listed   bool                          `json:"listed"`  // only the products that are listed: it makes other things too
	Adapter  string                        `json:"adapter"` // it makes serial adapters, which the kernel drives with this module
	Kinds    map[drivers.PortType][]string `json:"kinds"`
	Products map[string]string             `json:"products"`
}

// models is models.json. Identifiers are those of the public list usb.ids.
var models = func() (m struct {
	Kinds map[string]struct {
		Stem string `json:"stem"` // of a device's name, as in scanner-1
		Baud int    `json:"baud"`
	} `json:"kinds"`
	Rules map[drivers.PortType]struct {
		Title string   `json:"title"`
		Kinds []string `json:"kinds"`
		Ask   bool     `json:"ask"`
		Sure  bool     `json:"sure"`
	} `json:"rules"`
	Makers []maker `json:"makers"`
}) {
	if err := json.Unmarshal(modelsJSON, &m); err != nil {
		panic(fmt.Sprintf("plug: models.json: %v", err))
	}
	return m
}()

//go:embed models.json
var modelsJSON []byte

// Module is the kernel module that drives a serial adapter or printer, for a Fault of NoDriver.
func (i *Item) Module() string {
	if m := adapter(i.USB); m != "" {
		return m
	}
	if i.Line == drivers.PortLP {
		return "usblp"
	}
	return "cdc_acm"
}

// makerOf finds who made a device; nil for nobody known.
func makerOf(u *USB) *maker {
	if u == nil {
		return nil
	}
	for i := range models.Makers {
		m := &models.Makers[i]
		if _, known := m.Products[u.Product]; m.Vendor == u.Vendor && (known || !m.Listed) {
			return m
		}
	}
	return nil
}

// adapter is the module of a listed serial adapter, "" for everything else.
func adapter(u *USB) string {
	m := makerOf(u)
	if m == nil || m.Products[u.Product] == "" {
		return ""
	}
	return m.Adapter
}

// recognise says what a thing is: its maker's model, or else what its class is.
func recognise(i *Item) *Model {
	made := makerOf(i.USB)
	if i.Line == drivers.PortHID && i.UsagePage != pageScanner && !i.InUse {
		if made == nil || made.Kinds[i.Line] == nil {
			return nil
		}
		return &Model{Title: title(made, i.USB), Kinds: []Choice{}, Sure: made.Sure, Note: SetHIDPOS}
	}
	if made != nil && made.Kinds[i.Line] != nil {
		return &Model{Title: title(made, i.USB), Kinds: choices(made.Kinds[i.Line], i), Sure: made.Sure}
	}
	rule, ok := models.Rules[i.Line]
	switch {
	case i.Line == drivers.PortEvdev:
		return &Model{Title: "键盘或键盘口扫码器 / keyboard, or a scanner that types", Kinds: []Choice{}, Note: MaybeKeyboard}
	case !ok, i.Line == drivers.PortHID && i.UsagePage != pageScanner:
		return nil
	}
	m := &Model{Title: rule.Title, Kinds: choices(rule.Kinds, i), Ask: rule.Ask, Sure: rule.Sure}
	if made != nil && made.Adapter != "" {
		m.Title, m.Sure = title(made, i.USB), made.Sure
	}
	switch {
	case m.Ask:
		m.Note = ChooseKind
	case i.Line == drivers.PortLP:
		m.Note = CheckLanguage
	}
	return m
}

func title(m *maker, u *USB) string {
	if p := m.Products[u.Product]; p != "" {
		return m.Title + " " + p
	}
	return m.Title
}

func choices(kinds []string, i *Item) []Choice {
	var out []Choice
	for _, k := range kinds {
		c := Choice{Kind: k}
		if i.Line == drivers.PortSerial {
			c.Baud = models.Kinds[k].Baud
		}
		out = append(out, c)
	}
	return out
}

// A Proposal is a device as station.json takes it. Kind is "" where people have to choose one.
type Proposal struct {
	Name string          `json:"name"`
	Kind string          `json:"kind"`
	Port json.RawMessage `json:"port"`
}

// Propose makes a device of a thing that is recognised, with a name that is not taken; it adds that name to taken.
// It returns nil where there is nothing to propose.
func (i *Item) Propose(taken map[string]bool) *Proposal {
	if i.Model == nil || len(i.Model.Kinds) == 0 {
		return nil
	}
	p := Proposal{Kind: i.Model.Kinds[0].Kind}
	port := struct {
		Type drivers.PortType `json:"type,omitempty"`
		Path string           `json:"path,omitempty"`
		USB  string           `json:"usb,omitempty"`
		Baud int              `json:"baud,omitempty"`
	}{Path: i.Name, Baud: i.Model.Kinds[0].Baud}
	stem := models.Kinds[p.Kind].Stem
	if i.Line != drivers.PortSerial {
		port.Type = i.Line
	}
	if i.Line == drivers.PortLP {
		port.Path, port.USB = "", i.Name
	}
	if i.Model.Ask {
		p.Kind, port.Baud, stem = "", 0, "device"
	}
	p.Name = free(stem, taken)
	taken[p.Name] = true
	p.Port, _ = json.Marshal(port) // four strings and a number
	return &p
}

func free(stem string, taken map[string]bool) string {
	for n := 1; ; n++ {
		if name := fmt.Sprintf("%s-%d", stem, n); !taken[name] {
			return name
		}
	}
}

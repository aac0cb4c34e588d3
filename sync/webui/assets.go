package webui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path"
)

//go:embed assets
var assets embed.FS

// An Asset is one file that pages load.
type Asset struct {
	Type string // media type
	Data []byte
}

// Assets returns the files that pages load, by name.
func Assets() map[string]Asset {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	out := make(map[string]Asset)
	files, err := assets.ReadDir("assets")
	if err != nil {
		panic("webui: embedded assets: " + err.Error()) // a programmer error
	}
	for _, f := range files {
		data, err := assets.ReadFile("assets/" + f.Name())
		if err != nil {
			panic("webui: embedded asset: " + err.Error()) // a programmer error
		}
		out[f.Name()] = Asset{Type: types[path.Ext(f.Name())], Data: data}
	}
	return out
}

// Version names the present state of the assets: it is part of their addresses, and an open page
// whose version is not the server's loads itself again.
func Version() string {
	sum := sha256.New()
	files := Assets()
	for _, name := range []string{"yipiao.css", "live.js", "icon.svg"} {
		sum.Write(files[name].Data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

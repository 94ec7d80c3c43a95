package page

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"path"
	"strings"
)

//go:embed assets templates
var embedded embed.FS

// parseTemplates panics only on a binary that was built with broken templates.
func parseTemplates() *template.Template {
	return template.Must(template.ParseFS(embedded, "templates/*.html"))
}

// asset is a file that the page loads.
type asset struct {
	kind string
	text []byte
}

// addresses are where the page finds its assets: names that contain a hash of the content, so that browsers may keep them.
type addresses struct{ Style, Script, Icon string }

// readAssets returns the assets by name, and their addresses.
func readAssets() (map[string]asset, addresses) {
	files := map[string]asset{}
	add := func(name, kind string) string {
		text := read(name)
		sum := sha256.Sum256(text)
		ext := path.Ext(name)
		hashed := fmt.Sprintf("%s-%x%s", strings.TrimSuffix(name, ext), sum[:6], ext)
		files[hashed] = asset{kind: kind, text: text}
		return "assets/" + hashed
	}
	return files, addresses{
		Style:  add("page.css", "text/css; charset=utf-8"),
		Script: add("page.js", "text/javascript; charset=utf-8"),
		Icon:   add("icon.svg", "image/svg+xml"),
	}
}

// read panics only on a binary that was built without its files.
func read(name string) []byte {
	text, err := embedded.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("read the embedded %s: %v", name, err))
	}
	return text
}

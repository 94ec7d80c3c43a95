package page

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed assets
var embedded embed.FS

// asset is a file that the page loads.
type asset struct {
	kind string
	text []byte
}

// assets are these files by a name that holds a hash of their content, and those names by the plain ones.
type assets struct {
	files   map[string]asset
	names   map[string]string
	symbols markup // stands in the page itself: what its images are made of
}

func readAssets() assets {
	all := assets{files: map[string]asset{}, names: map[string]string{}, symbols: markup(read("symbols.svg"))}
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		text := read(name)
		sum := sha256.Sum256(text)
		ext := path.Ext(name)
		hashed := fmt.Sprintf("%s-%x%s", strings.TrimSuffix(name, ext), sum[:6], ext)
		all.files[hashed] = asset{kind: kind, text: text}
		all.names[name] = "assets/" + hashed
	}
	return all
}

// read panics only on a binary that was built without its files.
func read(name string) []byte {
	text, err := embedded.ReadFile("assets/" + name)
	if err != nil {
		panic(fmt.Sprintf("read the embedded %s: %v", name, err))
	}
	return text
}

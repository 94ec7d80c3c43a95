package main

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// page is the links of a page of the site, and its anchors.
type page struct {
	links   []string
	anchors map[string]bool
}

func readPage(t *testing.T, file string) page {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	root, err := html.Parse(f)
	require.NoError(t, err)
	p := page{anchors: map[string]bool{}}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				p.anchors[a.Val] = true
			case n.Type == html.ElementNode && (a.Key == "href" || a.Key == "src"):
				p.links = append(p.links, a.Val)
			}
		}
	}
	return p
}

// The site that make docs has built (STOKER_TEST_SITE): each link leads to a file of it and to a heading that is there, and its pages load
// nothing from elsewhere.
func TestSite(t *testing.T) {
	site := os.Getenv("STOKER_TEST_SITE")
	if site == "" {
		t.Skip("make docs runs it")
	}
	pages := map[string]page{}
	require.NoError(t, filepath.WalkDir(site, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".html") && filepath.Base(path) != "404.html" {
			pages[path] = readPage(t, path)
		}
		return err
	}))
	require.Greater(t, len(pages), 15)
	for file, p := range pages {
		for _, link := range p.links {
			u, err := url.Parse(link)
			require.NoError(t, err, "%s: %s", file, link)
			if u.Scheme != "" || u.Host != "" {
				continue
			}
			target := file
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(file), u.Path)
			}
			if info, err := os.Stat(target); err == nil && info.IsDir() {
				target = filepath.Join(target, "index.html")
			}
			require.FileExists(t, target, "%s: %s", file, link)
			if other, isPage := pages[target]; isPage && u.Fragment != "" {
				require.True(t, other.anchors[u.Fragment], "%s: %s: no such heading", filepath.Base(file), link)
			}
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotRegexp(t, `<(script|link|img)[^>]*(src|href)="?https?://`, string(text), "%s loads from elsewhere", file)
	}
}

// Each link of the documents leads to an existing file and heading, as GitHub names headings.
func TestLinksOfTheDocuments(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	root, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	files = append(files, root...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(withoutCode(string(text)), -1) {
			path, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(path, ":") { // of the web
				continue
			}
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			content, err := os.ReadFile(target)
			require.NoError(t, err, "%s links to %s", file, found[1])
			require.True(t, heading == "" || slices.Contains(headings(string(content)), heading), "%s: no heading %s", file, found[1])
		}
	}
}

// withoutCode drops fenced blocks.
func withoutCode(text string) string {
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(text, "")
}

// headings returns the anchors of a document.
func headings(text string) []string {
	var all []string
	for line := range strings.Lines(withoutCode(text)) {
		if title, found := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); found && strings.HasPrefix(line, "#") {
			title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}

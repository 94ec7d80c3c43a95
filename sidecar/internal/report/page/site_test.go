package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The site of the documentation that make docs has built (STOKER_TEST_SITE), in a real browser: no page is wider than a phone, wide tables
// scroll by themselves, the search finds something, and nothing is loaded from elsewhere. It is here because the browser is.
func TestSiteInABrowser(t *testing.T) {
	site := os.Getenv("STOKER_TEST_SITE")
	if site == "" {
		t.Skip("make docs runs it")
	}
	browser := chromium(t)
	server := httptest.NewServer(http.FileServer(http.Dir(site)))
	t.Cleanup(server.CloseClientConnections)
	ctx, cancel := chromedp.NewContext(browser.ctx)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(stop)
	v := &visit{t: t, ctx: ctx, home: server.URL, hosts: map[string]bool{}}
	require.NoError(t, chromedp.Listen(ctx, v.observe))
	v.run(call(log.Enable, cdp.Empty{}), call(network.Enable, network.EnableParams{}), phone(390))
	pages, err := filepath.Glob(filepath.Join(site, "*.html"))
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, file := range pages {
		if name := filepath.Base(file); name != "404.html" {
			v.run(chromedp.Navigate(server.URL + "/" + name))
			require.LessOrEqual(t, ask[int](v, `document.documentElement.scrollWidth`), 390, name)
		}
	}
	v.run(chromedp.Navigate(server.URL + "/index.html"))
	v.keep("site-phone", false)
	v.run(do(`document.querySelector('[for=__search]').click()`), do(`document.querySelector('.md-search__input').focus()`))
	v.until(`document.querySelector('.md-search-result__meta').textContent.includes('Type to start')`) // the index is there
	v.run(do(`{ const q = document.querySelector('.md-search__input'); q.value = 'starved'; q.dispatchEvent(new Event('keyup', {bubbles: true})) }`))
	v.until(`[...document.querySelectorAll('.md-search-result__link')].some((e) => e.href.includes('quota.html'))`)
	v.keep("site-phone-search", false)
	v.run(size(1280, 900), chromedp.Navigate(server.URL+"/configuration.html"))
	v.keep("site-desktop", false)
	v.clean()
}

package page

// head is a page up to its own content.
func (k ink) head(s shown) {
	k.put(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s – Stoker</title>
<link rel="icon" href="%s" type="image/svg+xml">
<link rel="stylesheet" href="%s">
<script src="%s" defer></script>
<noscript><meta http-equiv="refresh" content="30"></noscript>
</head>
<body data-now="%s" data-kinds="%s">
`, s.Title, s.Assets.names["icon.svg"], s.Assets.names["page.css"], s.Assets.names["page.js"], s.Now, s.Kinds)
	k.put(`%s<header class="top">
<a class="brand" href="./"><svg viewBox="0 0 24 24" aria-hidden="true"><path class="flame" d="M12 1.5c.6 3.6 5.8 6.3 5.8 12.3A5.8 5.8 0 0 1 12 22.5a5.8 5.8 0 0 1-5.8-6.2c0-3 1.9-4.4 2.6-7 1.3.7 2 1.7 2.2 3 1.5-2.5 2-6.5 1-10.8z"/></svg>Stoker</a>
<p class="link">%s</p>
<p id="live" class="live" role="status" hidden></p>
</header>
`, s.Assets.symbols, s.Link.html())
}

func (l link) html() markup {
	said := markup("no link to the engine")
	if l.Up {
		said = fill(`Docker %s<span class="more-wide">%s%s</span>`, l.Engine, when(l.API != "", ", API %s", l.API), when(l.CPUs > 0, ", %d CPUs", l.CPUs))
	}
	return said + when(l.Skew != "", ", its clock is %s", l.Skew)
}

func (k ink) foot(s shown) {
	k.put(`
<footer class="foot">
<p>Stoker %s · read-only · <a href="api/v1/workers">workers as JSON</a> · <a href="metrics">metrics</a> · <a href="healthz">health</a></p>
<p>Times are in <span id="zone">UTC</span>; as of <time class="abs" datetime="%s">%s</time>.<noscript> Without JavaScript this page loads itself again every 30 seconds.</noscript></p>
</footer>
</body>
</html>
`, s.Version, s.Now, s.Now)
}

// page is all workers and their history.
func (k ink) page(s shown) {
	k.head(s)
	k.put(`
<main>
<div id="verdict" role="status">%s</div>
<section aria-labelledby="h-workers">
<div class="bar">
<h2 id="h-workers">Workers</h2>
<div id="tools" class="tools" hidden>
<div id="chips" class="chips" role="group" aria-label="Show workers"></div>
<label class="find"><span class="sr">Filter workers</span><input id="filter" type="search" placeholder="Filter" autocomplete="off" spellcheck="false" aria-controls="rows"></label>
</div>
<p id="found" class="sr" role="status"></p>
</div>
<div class="card">
<table id="workers" role="table" aria-labelledby="h-workers">
<thead role="rowgroup"><tr role="row">
<th scope="col" role="columnheader" data-text>Worker</th>
<th scope="col" role="columnheader" aria-sort="ascending">State</th>
<th scope="col" role="columnheader" data-text>Health</th>
<th scope="col" role="columnheader" class="n">CPU</th>
<th scope="col" role="columnheader" class="n">Throttled</th>
<th scope="col" role="columnheader" class="n">Attempts</th>
<th scope="col" role="columnheader">Next heal</th>
<th scope="col" role="columnheader">Last 24 hours</th>
</tr></thead>
<tbody id="rows" role="rowgroup">
`, s.Verdict.html())
	k.rows(s)
	k.put(`</tbody>
</table>
<p id="none" class="empty"%s>No workers.</p>
</div>
%s
</section>
<section aria-labelledby="h-history">
<h2 id="h-history">History</h2>
<div id="history" class="card">`, when(len(s.Rows) > 0, " hidden"), legend)
	k.history(s.History)
	k.put(`</div>
</section>
</main>
`)
	k.foot(s)
}

// single is the page of one worker.
func (k ink) single(s shown) {
	k.head(s)
	k.put(`
<main data-one>
<p class="back"><a href="./">← All workers</a></p>
<h1><bdi>%s</bdi></h1>
<div id="one" data-src="%s">`, s.One.Name, address(s.One.Key))
	k.detail(s)
	k.put(`</div>
%s
</main>
`, legend)
	k.foot(s)
}

// workers is what the script takes over of the page of all workers; the history is another part.
func (k ink) workers(s shown) {
	k.put(`<!doctype html><title>%s – Stoker</title><body data-now="%s">
<div id="verdict">%s</div>
<table><tbody id="rows">`, s.Title, s.Now, s.Verdict.html())
	k.rows(s)
	k.put("</tbody></table>\n")
}

func (v verdict) html() markup {
	return fill(`<div class="verdict %s"><h1>%s</h1>%s</div>`, v.Tone, v.Text, when(v.Hint != "", "<p>%s</p>", v.Hint))
}

func (k ink) rows(s shown) {
	for _, r := range s.Rows {
		k.put("%s", r.html())
	}
}

const legend markup = `<ul class="legend" aria-label="What the timelines show">
<li><svg viewBox="0 0 16 16" aria-hidden="true"><path fill="url(#p-alive)" d="M0 10h16v6H0z"/></svg>alive</li>
<li><svg viewBox="0 0 16 16" aria-hidden="true"><path fill="url(#p-healing)" d="M0 6h16v10H0z"/></svg>healing</li>
<li><svg viewBox="0 0 16 16" aria-hidden="true"><path fill="url(#p-unhealthy)" d="M0 4h16v12H0z"/></svg>unhealthy</li>
<li><svg viewBox="0 0 16 16" aria-hidden="true"><path fill="url(#p-down)" d="M0 0h16v16H0z"/></svg>down</li>
<li><svg viewBox="0 0 16 16" aria-hidden="true"><path fill="url(#p-unknown)" d="M0 14h16v2H0z"/></svg>not known</li>
</ul>`

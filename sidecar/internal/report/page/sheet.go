package page

// detail is one worker at length.
func (k ink) detail(s shown) {
	d := s.One
	k.put(`<div class="detail">
<dl class="facts">
<div><dt>State</dt><dd>%s%s%s</dd></div>
<div><dt>Container</dt><dd>%s%s</dd></div>
<div><dt>Running since</dt><dd>%s</dd></div>
<div><dt>Health</dt><dd>%s</dd></div>
<div><dt>CPU</dt><dd>%s</dd></div>
`, d.badge(), when(d.Why != "", ` <span class="why">%s</span>`, d.Why), when(!d.Here, ` <span class="why">no longer looked after</span>`),
		or(d.Status, "–"), when(d.ID != "", " <code>%s</code>", d.ID), d.since(), d.probed("no health check", "–"), d.CPU.sentence())
	k.put(`<div><dt>Should run</dt><dd>%s</dd></div>
<div><dt>Attempts</dt><dd>%d</dd></div>
<div><dt>Next heal</dt><dd>%s</dd></div>
%s
</dl>
`, yesNo(d.Expected), d.Attempts, d.coming(" now", "–"), when(d.Scope != "", "<div><dt>Scope</dt><dd><bdi>%s</bdi></dd></div>", d.Scope))
	for _, p := range d.Problems {
		k.put(`<p class="problem">%s</p>`, p)
	}
	k.timeline(d)
	k.history(d.History)
	k.put("\n</div>")
}

func yesNo(yes bool) markup {
	if yes {
		return "yes"
	}
	return "no"
}

func (d *detail) since() markup {
	if d.Since.UTC == "" {
		return "–"
	}
	return d.Since.ago() + " " + d.Since.exact("abs dim")
}

// sentence is the CPU use in words.
func (g gauge) sentence() markup {
	use, throttled := markup("not measured"), markup("")
	if g.Known {
		use = fill("%s", g.Use)
		throttled = fill(`, throttled %s <span class="dim">(%s)</span>`, g.Throttled, g.At.ago())
	}
	return use + " " + g.quota() + when(g.Boosted, ", boosted for a while") + throttled
}

// timeline is the last day, drawn and in words.
func (k ink) timeline(d *detail) {
	k.put(`
<figure class="timeline">
<figcaption>Last 24 hours: %s</figcaption>
%s
<div class="ticks" aria-hidden="true">`, d.Timeline.Text, d.Timeline.html())
	for _, t := range d.Ticks {
		k.put(`<time class="clock" datetime="%s">%s</time>`, t.UTC, t.clock())
	}
	k.put(`</div>
<details data-id="spells"><summary>The same in words</summary>
<ol class="spells" reversed>`)
	for _, s := range d.Spells {
		k.put(`<li><span class="c-%s">%s</span> for %s, from %s</li>`, s.Condition, s.Condition, s.Took, s.From.exact("abs"))
	}
	k.put(`</ol>
%s
</details>
</figure>
`, when(d.More > 0, `<p class="dim">and %d earlier</p>`, d.More))
}

// history is a table of entries.
func (k ink) history(entries []entry) {
	if len(entries) == 0 {
		k.put(`<p class="empty">Nothing happened yet.</p>`)
		return
	}
	k.put(`<table class="history" role="table" aria-label="Heals and other decisions, the newest first">
<thead role="rowgroup"><tr role="row">
<th scope="col" role="columnheader">When</th>
<th scope="col" role="columnheader">Worker</th>
<th scope="col" role="columnheader">Outcome</th>
<th scope="col" role="columnheader">Fault</th>
<th scope="col" role="columnheader">Intent</th>
<th scope="col" role="columnheader">Action</th>
<th scope="col" role="columnheader">Reason</th>
<th scope="col" role="columnheader" class="n">Took</th>
<th scope="col" role="columnheader">Exit code, output</th>
</tr></thead>
<tbody role="rowgroup">
`)
	for _, e := range entries {
		k.put("%s", e.html())
	}
	k.put("</tbody>\n</table>")
}

func (e entry) html() markup {
	whose := markup(`<span class="dim">all</span>`)
	if e.Key != "" {
		whose = fill(`<a href="%s"><bdi>%s</bdi></a>`, address(e.Key), e.Name)
	}
	return fill(`<tr role="row">
<td role="cell" class="when">%s%s</td>
<th scope="row" role="rowheader">%s</th>
<td role="cell"><span class="badge %s">%s</span></td>
`, e.Began.ago(), e.Began.exact("abs"), whose, e.Tone, e.Outcome) +
		cell(e.Fault, "") + cell(e.Intent, "") + cell(e.Heal, when(e.Attempt > 0, ` <span class="dim">attempt %d</span>`, e.Attempt)) + cell(e.Reason, "") +
		fill(`<td role="cell" class="n%s">%s</td>
<td role="cell" class="said">%s%s%s</td>
</tr>
`, when(e.Took == "", " no"), or(e.Took, "–"), when(e.Exit != "", `<span class="exit">exit code %s</span>`, e.Exit),
			when(e.Detail != "", `<span class="text">%s</span>`, e.Detail),
			when(e.Line != "", `<details data-id="%s"><summary><bdi>%s</bdi></summary><pre>%s</pre></details>`, e.ID, e.Line, e.Output))
}

// cell is a word of the history, with what belongs to it.
func cell[T ~string](word T, more markup) markup {
	return fill(`<td role="cell"%s>%s%s</td>
`, when(word == "", ` class="no"`), or(word, "–"), more)
}

package page

import "stoker/sidecar/internal/core/worker"

// dash stands for what is not known.
const dash markup = `<span class="dim">–</span>`

// ago is a time for a table, the exact one at hand.
func (i instant) ago() markup {
	if i.UTC == "" {
		return "–"
	}
	return fill(`<time class="ago" datetime="%s" title="%s">%s ago</time>`, i.UTC, i.Abs, i.Ago)
}

// exact is a time in full.
func (i instant) exact(class markup) markup {
	return fill(`<time class="%s" datetime="%s">%s</time>`, class, i.UTC, i.Abs)
}

func (r row) badge() markup {
	return fill(`<span class="badge s-%s"><svg class="i" aria-hidden="true"><use href="#i-%s"/></svg>%s</span>`, r.State, r.State, r.State)
}

func (r row) html() markup {
	return fill(`<tr role="row" data-rev="%s" data-group="%s">
<th scope="row" role="rowheader"><a href="%s"><bdi>%s</bdi></a></th>
<td role="cell" data-v="%d">%s</td>
<td role="cell" class="h-%s">%s</td>
`, r.Rev, r.Group, address(r.Key), r.Name, r.Rank, r.badge()+r.because(), r.Health, r.probed(`<span class="dim">no check</span>`, dash)) +
		r.CPU.cells() +
		fill(`<td role="cell" class="n" data-v="%d">%s</td>
<td role="cell" data-v="%s"%s>%s</td>
<td role="cell" class="day" data-v="%d">%s%s</td>
</tr>
`, r.Attempts, r.tried(), r.Next.UTC, when(r.Heal == worker.HealNone, ` class="no"`), r.coming(` <span class="dim">now</span>`, dash),
			r.Heals, r.Strip.html(), r.sum())
}

// because is what stands below the state.
func (r row) because() markup {
	said := markup("")
	switch {
	case r.Why != "":
		said = fill(`<span class="why">%s</span>`, r.Why)
	case r.Since.UTC != "":
		said = fill(`<span class="why">up <time class="for" datetime="%s" title="%s">%s</time></span>`, r.Since.UTC, r.Since.Abs, r.Since.Ago)
	}
	for _, p := range r.Problems {
		said += fill(`<span class="problem">%s</span>`, p)
	}
	return said
}

// probed is the state of the health check, unchecked where there is none.
func (r row) probed(unchecked, unknown markup) markup {
	if r.Health == worker.HealthNone {
		return unchecked
	}
	return or(r.Health, unknown)
}

func (r row) tried() markup {
	if r.Attempts == 0 {
		return `<span class="dim">0</span>`
	}
	return fill("%d", r.Attempts)
}

// coming is the next heal and its time.
func (r row) coming(now, none markup) markup {
	switch {
	case r.Next.UTC != "":
		return fill(`%s <time class="in" datetime="%s" title="%s">%s</time>`, r.Heal, r.Next.UTC, r.Next.Abs, r.Next.In)
	case r.Heal != worker.HealNone:
		return fill("%s", r.Heal) + now
	}
	return none
}

func (r row) sum() markup {
	if r.Heals == 0 && r.Failed == 0 {
		return ""
	}
	return fill(`<span class="sum">%d healed%s</span>`, r.Heals, when(r.Failed > 0, ", %d failed", r.Failed))
}

// cells are the CPU use and how much of it was throttled.
func (g gauge) cells() markup {
	use, throttled, bar := dash, dash, markup("")
	if g.Known {
		use, throttled = fill("%s", g.Use), fill("%s", g.Throttled)
		bar = when(g.Quota != "", `<svg class="gauge" viewBox="0 0 60 3" preserveAspectRatio="none" aria-hidden="true"><rect class="g0" width="60" height="3"/><rect class="g1" width="%d" height="3"/></svg>`, g.Fill)
	}
	return fill(`<td role="cell" class="n" data-v="%v">%s <span class="dim">%s</span>%s%s</td>
<td role="cell" class="n%s" data-v="%v">%s</td>
`, g.Share, use, g.quota(), when(g.Boosted, ` <span class="tag">boosted</span>`), bar, when(g.Hurts, " hurts"), g.Periods, throttled)
}

func (g gauge) quota() markup {
	if g.Quota == "" {
		return "no quota"
	}
	return fill("of %s", g.Quota)
}

// html is the drawing as an image with its meaning in words.
func (d drawing) html() markup {
	strokes := markup("")
	for _, s := range d.Strokes {
		strokes += fill(`<path fill="url(#p-%s)" d="%s"/>`, s.Condition, s.Path)
	}
	return fill(`<svg class="line" viewBox="0 0 %d %d" role="img" aria-label="%s" preserveAspectRatio="none">%s</svg>`, d.Width, d.Height, d.Text, strokes)
}

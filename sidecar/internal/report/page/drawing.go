package page

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// drawing is a timeline for an SVG: one path for each condition, in boxes of equal time, so that
// its size is bounded.
type drawing struct {
	Width, Height int
	Strokes       []stroke
	Text          string // the same in words
}

// stroke is all of one condition.
type stroke struct {
	Condition condition
	Path      string
}

// draw paints the spans between two times. A box shows the worst condition in it, so that a short fault is seen in a long day.
// The worse a condition, the higher it is drawn: it can be read without its colour.
func draw(spans []span, from, to time.Time, width, height int) drawing {
	boxes := make([]int, width)
	scale := float64(width) / float64(to.Sub(from))
	for _, s := range spans {
		first := int(math.Floor(float64(s.From.Sub(from)) * scale))
		last := int(math.Floor(float64(s.To.Sub(from)-1) * scale))
		for n := max(0, first); n <= min(last, width-1); n++ {
			boxes[n] = max(boxes[n], severity(s.Condition))
		}
	}
	d := drawing{Width: width, Height: height, Text: describe(spans)}
	for n, c := range conditions() {
		if path := paint(boxes, n, height, height-high(c, height)); path != "" {
			d.Strokes = append(d.Strokes, stroke{c, path})
		}
	}
	return d
}

func severity(c condition) int {
	for n, known := range conditions() {
		if c == known {
			return n
		}
	}
	return 0
}

// high is how high a condition is drawn.
func high(c condition, full int) int {
	switch c {
	case down:
		return full
	case unhealthy:
		return full * 3 / 4
	case healing:
		return full * 5 / 8
	case alive:
		return full * 3 / 8
	case stopped:
		return full / 4
	case unknown:
	}
	return max(1, full/8)
}

// paint is the outline of the boxes of one severity, each run of them a rectangle.
func paint(boxes []int, severity, bottom, top int) string {
	var path strings.Builder
	for n := 0; n < len(boxes); n++ {
		begin := n
		for n < len(boxes) && boxes[n] == severity {
			n++
		}
		if n > begin {
			fmt.Fprintf(&path, "M%d %dh%dV%dh-%dz", begin, top, n-begin, bottom, n-begin)
		}
	}
	return path.String()
}

// describe returns the spans in words.
func describe(spans []span) string {
	sums := map[condition]time.Duration{}
	times := map[condition]int{}
	var all time.Duration
	for _, s := range spans {
		sums[s.Condition] += s.To.Sub(s.From)
		times[s.Condition]++
		all += s.To.Sub(s.From)
	}
	if all == 0 || sums[unknown] == all {
		return "nothing known"
	}
	var words []string
	for _, c := range []condition{alive, healing, unhealthy, down, stopped, unknown} {
		switch {
		case times[c] == 0:
		case sums[c] == all:
			return string(c) + " all the time"
		case c == alive:
			words = append(words, fmt.Sprintf("alive %.1f %%", 100*float64(sums[c])/float64(all)))
		case times[c] > 1:
			words = append(words, fmt.Sprintf("%s %s in %d intervals", c, lasting(sums[c]), times[c]))
		default:
			words = append(words, fmt.Sprintf("%s %s", c, lasting(sums[c])))
		}
	}
	return strings.Join(words, ", ")
}

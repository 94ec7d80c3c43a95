package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// soakResult is the result of a soak.
type soakResult struct {
	text       string
	violations []string
}

func (s *soak) result(ctx context.Context) *soakResult {
	var t strings.Builder
	version := "unknown"
	if v, err := s.api.ServerVersion(ctx); err == nil {
		version = v.Version
	}
	fmt.Fprintf(&t, "Run on %s on engine %s with %d CPUs: %d workers, %s of faults, seed %d.\n\n",
		time.Now().UTC().Format(time.DateOnly), version, runtime.NumCPU(), s.workers, s.length, s.seed)
	t.WriteString("| what | how often, how much |\n|---|---|\n")
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&t, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		line(name, "%d", s.counts[name])
	}
	heals := s.stoker.total(regexp.MustCompile(`^stoker_heal_duration_seconds_count`))
	line("heals that succeeded", "%.0f", heals)
	line("calls to the engine per heal", "%s", s.callsFor(heals))
	line("every worker in its intended state, after the last fault", "%s", s.stoker.settled.Round(100*time.Millisecond))
	old := s.stoker.longest()
	first, last := thirds(old.samples)
	line("lifetime of Stoker's longest process", "%s", last.at.Sub(old.began).Round(time.Second))
	line("its anonymous memory in the first and the last third, median", "%.1f and %.1f MiB", mib(first.use.own), mib(last.use.own))
	line("resident, median", "%.1f and %.1f MiB", mib(first.use.resident), mib(last.use.resident))
	line("goroutines, median", "%.0f and %.0f", first.goroutines, last.goroutines)
	s.checkGrowth(first, last)
	line("rules broken", "%d", len(s.violations))
	return &soakResult{text: t.String(), violations: s.violations}
}

// checkGrowth checks that memory and goroutines did not grow. Growth of less than a third, or two megabytes, is noise.
func (s *soak) checkGrowth(first, last sample) {
	const noise = 2 << 20
	if last.use.own > first.use.own*4/3 && last.use.own > first.use.own+noise {
		s.violate("memory grew from %.1f to %.1f MiB", mib(first.use.own), mib(last.use.own))
	}
	if last.goroutines > first.goroutines*4/3+5 {
		s.violate("goroutines grew from %.0f to %.0f", first.goroutines, last.goroutines)
	}
}

// callsFor returns the number of calls per heal, by kind. Calls for resyncs and for operators' actions are included.
func (s *soak) callsFor(heals float64) string {
	kinds := map[string]float64{}
	name := regexp.MustCompile(`^stoker_engine_call_duration_seconds_count\{.*kind="([^"]+)"`)
	for _, l := range s.stoker.runs {
		for series, value := range l.page {
			if m := name.FindStringSubmatch(series); m != nil {
				kinds[m[1]] += value
			}
		}
	}
	var parts []string
	sum := 0.0
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		sum += kinds[kind]
		parts = append(parts, fmt.Sprintf("%s %.2f", kind, kinds[kind]/max(heals, 1)))
	}
	return fmt.Sprintf("%.2f: %s", sum/max(heals, 1), strings.Join(parts, ", "))
}

// total adds up series over all processes of Stoker.
func (p *stokerProcess) total(name *regexp.Regexp) float64 {
	sum := 0.0
	for _, l := range p.runs {
		for series, value := range l.page {
			if name.MatchString(series) {
				sum += value
			}
		}
	}
	return sum
}

func (p *stokerProcess) longest() *processRun {
	return slices.MaxFunc(p.runs, func(a, b *processRun) int { return len(a.samples) - len(b.samples) })
}

// thirds returns the medians of the first and the last third, without the first half minute.
func thirds(all []sample) (first, last sample) {
	const start = 15 // samples, at two seconds each
	if len(all) > 2*start {
		all = all[start:]
	}
	if len(all) < 3 {
		return sample{}, sample{}
	}
	return medians(all[:len(all)/3]), medians(all[len(all)*2/3:])
}

func medians(all []sample) sample {
	middle := func(of func(sample) float64) float64 {
		values := make([]float64, len(all))
		for i, one := range all {
			values[i] = of(one)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return sample{
		at: all[len(all)-1].at, goroutines: middle(func(s sample) float64 { return s.goroutines }),
		use: usage{
			own:      int64(middle(func(s sample) float64 { return float64(s.use.own) })),
			resident: int64(middle(func(s sample) float64 { return float64(s.use.resident) })),
		},
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

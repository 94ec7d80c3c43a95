package policy

import "strings"

// Suggest returns the known name that a misspelt one most likely stands for, or empty. Separators and case are ignored (stopTimeout is
// stop-timeout). Up to a third of the letters may be wrong, missing, extra or swapped with a neighbour. The first of several equally similar
// names wins. Names come without their common prefix, which would make all names similar.
func Suggest(name string, known []string) string {
	letters := bare(name)
	best, bestDistance := "", len(letters)+1
	for _, candidate := range known {
		target := bare(candidate)
		longest := max(len(letters), len(target))
		if gap := longest - min(len(letters), len(target)); gap > longest/3 {
			continue
		}
		if d := distance(letters, target); d <= longest/3 && d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

func bare(name string) []rune {
	return []rune(strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(name)))
}

// distance returns the number of single-letter edits and swaps of neighbours between two words (optimal string alignment).
func distance(a, b []rune) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in the environment.
type Problem struct {
	Variable string // as written in the environment
	Value    string // empty where it may be a secret
	Message  string // the mistake, and how to fix it
	Nearest  string // the known variable that was probably meant; empty if none is similar
}

// String returns the problem in one line of bounded length.
func (p Problem) String() string {
	name := strings.Trim(fmt.Sprintf("%.80q", p.Variable), `"`)
	if p.Value == "" {
		return name + ": " + p.Message
	}
	return fmt.Sprintf("%s=%.80q: %s", name, p.Value, p.Message)
}

func sorted(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Variable, b.Variable) })
	return problems
}

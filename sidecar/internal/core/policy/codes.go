package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ExitCodes is a set of exit codes.
type ExitCodes []codeRange

type codeRange struct{ from, to int }

// Has reports whether a code is in the set.
func (c ExitCodes) Has(code int) bool {
	return slices.ContainsFunc(c, func(r codeRange) bool { return r.from <= code && code <= r.to })
}

// mostCode is the largest possible exit code of a process.
const mostCode = 255

// ParseExitCodes parses codes and ranges of codes, separated by commas: 2,64-78.
func ParseExitCodes(value string) (ExitCodes, error) {
	var codes ExitCodes
	for part := range strings.SplitSeq(value, ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		from, err := parseCode(first)
		to, err2 := parseCode(last)
		switch {
		case errors.Join(err, err2) != nil:
			return nil, fmt.Errorf("%.40q is no exit code; write codes from 0 to %d and ranges of them, such as 2,64-78", strings.TrimSpace(part), mostCode)
		case from > to:
			return nil, fmt.Errorf("%.40q ends below its start", strings.TrimSpace(part))
		}
		codes = append(codes, codeRange{from, to})
	}
	return codes, nil
}

func parseCode(text string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 8)
	return int(n), err //nolint:gosec // eight bits
}

func setFinalCodes(p *Policy, value string) error {
	codes, err := ParseExitCodes(value)
	if err == nil {
		p.FinalCodes = codes
	}
	return err
}

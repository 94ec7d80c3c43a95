package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/demand"
)

// included returns a reading of a number that the user defines.
func included(value float64) demand.Reading {
	return demand.Reading{Waiting: value, InHand: demand.InHand{Kind: demand.InHandIncluded}}
}

// prometheusAnswer is the answer of /api/v1/query.
type prometheusAnswer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// sample is a time and a number as text.
type sample [2]any

// askPrometheus requires one number: a scalar, or a vector of one sample. An empty vector is 0: the series of a queue that was never used
// does not exist.
func (w *web) askPrometheus(ctx context.Context, t demand.Target) (demand.Reading, error) {
	params := "query=" + url.QueryEscape(t.Query)
	if t.Params != "" {
		params += "&" + t.Params
	}
	a, err := w.get(ctx, t, t.Path+"/api/v1/query", params)
	if err != nil {
		return demand.Reading{}, err
	}
	var result prometheusAnswer
	err = a.decode(t, &result)
	if err == nil && result.Status == "error" {
		return demand.Reading{}, problem(BadAnswer, "Prometheus on %s refused the query%s; correct query=", t.Address(), quote(result.Error, t))
	}
	if failed := a.statusProblem(t); failed != nil {
		return demand.Reading{}, failed
	}
	if err != nil {
		return demand.Reading{}, err
	}
	if result.Status != "success" {
		return demand.Reading{}, problem(BadAnswer, "%s does not answer as Prometheus does; correct host, port and path", t.Address())
	}
	value, err := result.number(t)
	return included(value), err
}

func (a prometheusAnswer) number(t demand.Target) (float64, error) {
	one := sample{}
	switch a.Data.Type {
	case "scalar":
		if json.Unmarshal(a.Data.Result, &one) != nil {
			return 0, problem(BadAnswer, "the scalar of Prometheus cannot be read")
		}
	case "vector":
		var all []struct {
			Value sample `json:"value"`
		}
		switch err := json.Unmarshal(a.Data.Result, &all); {
		case err != nil:
			return 0, problem(BadAnswer, "the vector of Prometheus cannot be read")
		case len(all) == 0:
			return 0, nil
		case len(all) > 1:
			return 0, problem(NotANumber, "the query gives several numbers; make one of them, such as with sum()")
		}
		one = all[0].Value
	default:
		return 0, problem(NotANumber, "the query does not give a number%s; write one that does", quote(a.Data.Type, t))
	}
	text, ok := one[1].(string)
	if !ok {
		return 0, problem(BadAnswer, "the sample of Prometheus cannot be read")
	}
	return finite(text, "the result of the query", t)
}

// askJSON requires a number, or a text that is one, at a path in the answer.
func (w *web) askJSON(ctx context.Context, t demand.Target) (demand.Reading, error) {
	a, err := w.get(ctx, t, t.Path, t.Params)
	if err != nil {
		return demand.Reading{}, err
	}
	if failed := a.statusProblem(t); failed != nil {
		return demand.Reading{}, failed
	}
	var whole any
	if err := a.decode(t, &whole); err != nil {
		return demand.Reading{}, err
	}
	value, err := at(whole, t)
	return included(value), err
}

// at follows keys and indexes to a number.
func at(value any, t demand.Target) (float64, error) {
	parts := strings.Split(t.Value, ".")
	for i, part := range parts {
		found := false
		switch inner := value.(type) {
		case map[string]any:
			value, found = inner[part]
		case []any:
			if n, err := strconv.Atoi(part); err == nil && n >= 0 && n < len(inner) {
				value, found = inner[n], true
			}
		}
		if !found {
			return 0, problem(NotANumber, "the answer has no %q; correct value=", strings.Join(parts[:i+1], "."))
		}
	}
	what := fmt.Sprintf("%q in the answer", t.Value)
	switch found := value.(type) {
	case json.Number:
		return finite(found.String(), what, t)
	case string:
		return finite(found, what, t)
	case nil:
		return 0, problem(NotANumber, "%s is null, not a number", what)
	case bool:
		return 0, problem(NotANumber, "%s is %t, not a number", what, found)
	case []any:
		return 0, problem(NotANumber, "%s is a list, not a number; write the index of one, such as %s.0", what, t.Value)
	}
	return 0, problem(NotANumber, "%s is an object, not a number; write the key of one in it", what)
}

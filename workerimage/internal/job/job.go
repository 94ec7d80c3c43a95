// Package job encodes the messages of a queue: a task and its result. Both are JSON objects.
package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"stoker/workerimage/internal/task"
)

// Job is one task of a queue.
type Job struct {
	ID     string    `json:"id"`
	Kind   task.Kind `json:"kind"`
	From   uint64    `json:"from,omitempty"`
	To     uint64    `json:"to"`               // not in the range
	Prefix string    `json:"prefix,omitempty"` // task.Pow
	Seed   string    `json:"seed,omitempty"`   // task.Pow
}

// Result is a worker's answer. Two results with the same ID are of the same job.
type Result struct {
	ID      string        `json:"id"`
	Attempt string        `json:"attempt"` // differs between two computations of the same job
	Worker  string        `json:"worker"`
	Again   bool          `json:"again,omitempty"`   // the broker had delivered the job before
	Sum     *task.Partial `json:"sum,omitempty"`     // nil if Problem is set
	Seconds float64       `json:"seconds,omitempty"` // wall time of the work
	Problem string        `json:"problem,omitempty"` // why the message is not a job
}

// longest bounds an ID, which becomes a key at the broker: AMQP allows no more.
const longest = 255

// Encode returns the message of the job.
func (j Job) Encode() ([]byte, error) { return json.Marshal(j) }

// Decode reads a message. The error is one line.
func Decode(body []byte) (Job, error) {
	var j Job
	reader := json.NewDecoder(bytes.NewReader(body))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&j); err != nil {
		return j, fmt.Errorf("not a job: %w", err)
	}
	if reader.More() {
		return j, errors.New("not a job: more follows the JSON object")
	}
	if j.ID == "" || len(j.ID) > longest {
		return j, fmt.Errorf("not a job: the id has %d bytes, wanted 1 to %d", len(j.ID), longest)
	}
	_, err := j.Task()
	return j, err
}

// Task returns the work of the job, or an error if its parameters are invalid.
func (j Job) Task() (task.Task, error) {
	t := task.Task{
		Kind:  j.Kind,
		Range: task.Span{From: j.From, To: j.To},
		Chunk: task.DefaultChunk(j.Kind),
		Seed:  j.Seed,
	}
	if j.Kind == task.Pow {
		prefix, err := task.ParsePrefix(j.Prefix)
		if err != nil {
			return t, fmt.Errorf("prefix: %w", err)
		}
		t.Prefix = prefix
	}
	return t, t.Check()
}

// Refuse returns the result of a message that is not a job. A message without a usable ID gets one from its bytes, so that the same message has
// the same result ID each time.
func Refuse(body []byte, why error) Result {
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &named); err != nil || named.ID == "" || len(named.ID) > longest {
		named.ID = fmt.Sprintf("refused-%x", sha256.Sum256(body))
	}
	return Result{ID: named.ID, Problem: why.Error()}
}

// Encode returns the message of the result.
func (r Result) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeResult reads what Result.Encode wrote.
func DecodeResult(body []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("not a result: %w", err)
	}
	if r.ID == "" {
		return r, errors.New("not a result: it has no id")
	}
	return r, nil
}

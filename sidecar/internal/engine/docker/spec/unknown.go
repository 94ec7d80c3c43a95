package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// unknown finds what the inspect has of Config and HostConfig that the Docker client has no field for: a newer engine's. It is sent as it
// was (the rule: what is not understood is sent as it is), by a caller who can add it to the request. What stands in a list is left out,
// for Build may change lists; Diff reports it.
func (b *builder) unknown() error {
	if b.in.Engine.Podman { // whose inspect shows what its create does not take
		return nil
	}
	var raw struct{ Config, HostConfig map[string]any }
	if err := json.Unmarshal(b.in.Container, &raw); err != nil {
		return fmt.Errorf("read the inspect of a container: %w", err)
	}
	found := map[string]any{}
	if more := unknownOf(raw.HostConfig, reflect.TypeFor[container.HostConfig]()); more != nil {
		found["HostConfig"] = more
	}
	for key, value := range unknownOf(raw.Config, reflect.TypeFor[container.Config]()) { // create has these at the top
		found[key] = value
	}
	if len(found) > 0 {
		b.spec.Unknown = found
	}
	return nil
}

// unknownOf is the part of an object that a type has no fields for; nil when there is none. A key without a value says nothing.
func unknownOf(object map[string]any, of reflect.Type) map[string]any {
	var found map[string]any
	for key, value := range object {
		if value == nil {
			continue
		}
		field, known := fieldOf(of, key)
		if known {
			inner, isObject := value.(map[string]any)
			if !isObject || field.Kind() != reflect.Struct {
				continue
			}
			more := unknownOf(inner, field)
			if more == nil {
				continue
			}
			value = more
		}
		if found == nil {
			found = map[string]any{}
		}
		found[key] = value
	}
	return found
}

// fieldOf is the type of the field that a key is decoded into, as package json does.
func fieldOf(of reflect.Type, key string) (reflect.Type, bool) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-" || !field.IsExported():
		case field.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			if found, ok := fieldOf(inner, key); ok {
				return found, true
			}
		case strings.EqualFold(name, key) || name == "" && strings.EqualFold(field.Name, key):
			return inner, true
		}
	}
	return nil, false
}

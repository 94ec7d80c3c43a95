package spec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// unknown finds the fields of Config and HostConfig in a newer engine's inspect that the Docker client does not have. They are sent
// unchanged (the rule for all unknown fields), if the caller can add them to the request. Those in a list are left out, because Build may
// change lists; Diff reports them.
func (b *builder) unknown() error {
	if b.in.Engine.Podman { // its inspect shows fields that its create does not accept
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
	for key, value := range unknownOf(raw.Config, reflect.TypeFor[container.Config]()) { // in a create request these are at the top level
		found[key] = value
	}
	if len(found) > 0 {
		b.spec.Unknown = found
	}
	return nil
}

// unknownOf returns the part of an object that a type has no fields for; nil if there is none. A key without a value is ignored.
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

// fieldOf returns the type of the field that a key is decoded into, as package json does.
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

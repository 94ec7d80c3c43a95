package spec

import (
	"encoding/json"
	"slices"
	"strings"
)

// mountRequests brings Binds and Mounts into the form that Build sends: with a name for each volume.
func (d *document) mountRequests() {
	p, host := unnamed(d.typed), d.object("HostConfig")
	if list, ok := host["Binds"].([]any); ok {
		for i, entry := range p.binds {
			if i < len(list) { // the JSON may have a key twice
				list[i] = entry
			}
		}
	}
	list, _ := host["Mounts"].([]any)
	for i, name := range p.mounts {
		if i >= len(list) {
			continue
		}
		if entry, ok := list[i].(map[string]any); ok {
			nameSource(entry, name)
		}
	}
	for _, m := range p.added {
		list = append(list, asTree(m))
	}
	host["Mounts"] = list
	sortedTexts(host, "Binds", func(text string) string { return text })
	keyed(host, "Mounts", "Target")
}

func nameSource(entry map[string]any, name string) {
	entry["Source"] = name
	options, ok := entry["VolumeOptions"].(map[string]any)
	if !ok {
		options = map[string]any{}
		entry["VolumeOptions"] = options
	}
	options["NoCopy"] = true
}

// mounts normalizes the resulting mounts: which volume is where, and whether it is writable.
func (d *document) mounts() {
	list, _ := d.tree["Mounts"].([]any)
	for _, entry := range list {
		m, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		switch m["Type"] {
		case "volume":
			fill(m, "Mode", "z")
			source, _ := m["Source"].(string)
			if name := nameByPlace(source); name != "" {
				fill(m, "Name", name)
			}
		case "image":
			delete(m, "Source") // a path of the container's own layer
		}
	}
	keyed(d.tree, "Mounts", "Destination")
}

// keyed turns a list of objects into a map by one of their fields, so that the order does not matter and the entries have names. A list
// whose entries lack the field, or have a value twice, stays unchanged.
func keyed(object map[string]any, key, by string) {
	list, ok := object[key].([]any)
	if !ok {
		return
	}
	byName := make(map[string]any, len(list))
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		name, ok := m[by].(string)
		if _, twice := byName[name]; !ok || twice {
			return
		}
		byName[name] = entry
	}
	object[key] = byName
}

// sortedTexts rewrites a list of texts and sorts it. A list with other values stays unchanged.
func sortedTexts(object map[string]any, key string, rewrite func(string) string) {
	list, ok := object[key].([]any)
	if !ok {
		return
	}
	texts := make([]string, 0, len(list))
	for _, entry := range list {
		text, ok := entry.(string)
		if !ok {
			return
		}
		texts = append(texts, rewrite(text))
	}
	slices.SortFunc(texts, strings.Compare)
	sorted := make([]any, 0, len(texts))
	for _, text := range texts {
		sorted = append(sorted, text)
	}
	object[key] = sorted
}

func asTree(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil
	}
	return tree
}

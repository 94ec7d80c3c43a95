package spec

import (
	"encoding/json"
	"slices"
	"strings"
)

// Exception is an expected difference between the two containers.
type Exception struct {
	Field string // with * for any one part
	Why   string
}

// Known returns the whole list of differences that Diff does not report, for the documentation. It includes the normal forms: fields of
// which Diff compares the meaning and not the text.
func Known() []Exception {
	list := ignored()
	for _, c := range conditions() {
		list = append(list, Exception{Field: c.field, Why: c.why})
	}
	for _, f := range normalForms() {
		for _, field := range f.fields {
			list = append(list, Exception{Field: field, Why: f.why})
		}
	}
	return list
}

// ignored returns the fields that are never compared.
func ignored() []Exception {
	const (
		born     = "every container has its own"
		life     = "what happened to this container since it was made"
		files    = "a path that holds the ID"
		result   = "the engine's choice at the start; what was asked for is in HostConfig, IPAMConfig and Config.MacAddress"
		security = "follows from SecurityOpt and Privileged, which are compared; set at the start, or drawn"
	)
	list := []Exception{{"Name", "the new one is renamed last"}}
	add := func(why string, fields ...string) {
		for _, field := range fields {
			list = append(list, Exception{field, why})
		}
	}
	add(born, "Id", "Created")
	add(life, "State", "RestartCount", "ExecIDs", "SizeRw", "SizeRootFs")
	add(files, "LogPath", "ResolvConfPath", "HostnamePath", "HostsPath", "GraphDriver.Data", "Storage")
	add(security, "AppArmorProfile", "ProcessLabel", "MountLabel")
	add("the size of the terminal at the time", "HostConfig.ConsoleSize")
	for _, field := range []string{"Bridge", "SandboxID", "SandboxKey", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen",
		"SecondaryIPAddresses", "SecondaryIPv6Addresses", "Ports", "Service", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen",
		"IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "MacAddress"} {
		add(result, "NetworkSettings."+field)
	}
	for _, field := range []string{"EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address",
		"GlobalIPv6PrefixLen", "MacAddress", "DNSNames"} {
		add(result, "NetworkSettings.Networks.*."+field)
	}
	add("a network is what has the name: it may have been recreated", "NetworkSettings.Networks.*.NetworkID")
	return list
}

func isKnown(field []string) bool {
	return slices.ContainsFunc(ignored(), func(e Exception) bool { return matches(e.Field, field) })
}

// condition is a difference that is expected for certain values only.
type condition struct {
	field, why string
	holds      func(change) bool
}

// change is one field in both containers.
type change struct {
	was, is        *document
	old, recreated any
}

func conditions() []condition {
	const (
		leftOpen   = "an older engine left it open; a newer one writes down its default"
		noManifest = "an older API does not show it; Image is compared"
	)
	return []condition{
		{"Config.Image", "its name means another image now, so that it was created by ID; Image is compared", func(c change) bool {
			text, ok := c.recreated.(string)
			return ok && isIDOf(text, c.is.typed.Image)
		}},
		{"NetworkSettings.Networks.bridge", "an engine without a default network shows one of that name, without an ID, once the container was started; the new one was not yet", func(c change) bool {
			old, _ := c.old.(map[string]any)
			state := c.was.typed.State
			return old["NetworkID"] == "" && old["EndpointID"] == "" && c.recreated == absent{} && state != nil && state.Running
		}},
		{"HostConfig.LogConfig.Config.*", "the engine adds its own options to those that are asked for", oldIsUnset},
		{"HostConfig.Runtime", leftOpen, oldIsUnset},
		{"HostConfig.ShmSize", leftOpen, func(c change) bool { return oldIsUnset(c) || c.old == json.Number("0") }},
		{"ImageManifestDescriptor.*", noManifest, oldIsUnset},
		{"ImageManifestDescriptor.*.*", noManifest, oldIsUnset},
	}
}

func oldIsUnset(c change) bool { return isNothing(c.old) }

// matches compares a pattern with a whole field.
func matches(pattern string, field []string) bool {
	return strings.Count(pattern, ".") == len(field)-1 && isUnder(pattern, field)
}

// isUnder reports whether a field is the pattern's or a part of it.
func isUnder(pattern string, field []string) bool {
	i := 0
	for part := range strings.SplitSeq(pattern, ".") {
		if i >= len(field) || (part != "*" && part != field[i]) {
			return false
		}
		i++
	}
	return true
}

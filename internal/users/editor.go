package users

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// editor changes a YAML file of users or keys. It keeps comments and order.
type editor struct {
	name string
	root *yaml.Node
	list *yaml.Node // of users or keys
}

// newEditor parses a valid file; nil data means a new file.
func newEditor(name string, data []byte, key string, kind yaml.Kind) (*editor, error) {
	if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
		return nil, fmt.Errorf("%s: only YAML files are edited; for htpasswd files there is htpasswd", name)
	}
	if data == nil {
		list := &yaml.Node{Kind: kind}
		top := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(key), list}}
		return &editor{name: name, root: &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{top}}, list: list}, nil
	}
	e := &editor{name: name, root: new(yaml.Node)}
	if err := yaml.Unmarshal(data, e.root); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e.list = e.root.Content[0].Content[1]
	return e, nil
}

// bytes returns the file's new content, indented by two spaces.
func (e *editor) bytes() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(e.root); err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return out.Bytes(), nil
}

// setField sets a field of an entry, or removes it if value is nil.
func setField(entry *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i+1 < len(entry.Content); i += 2 {
		switch {
		case entry.Content[i].Value != name:
		case value == nil:
			entry.Content = slices.Delete(entry.Content, i, i+2)
			return
		default:
			value.LineComment = entry.Content[i+1].LineComment
			entry.Content[i+1] = value
			return
		}
	}
	if value != nil {
		entry.Content = append(entry.Content, scalar(name), value)
	}
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
}

// flow returns a list on one line.
func flow(texts []string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, text := range texts {
		list.Content = append(list.Content, scalar(text))
	}
	return list
}

func timestamp(t time.Time) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!timestamp", Value: t.UTC().Format(time.RFC3339)}
}

var truth = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}

// entry collects the fields of a new entry and leaves out empty ones.
type entry struct{ node yaml.Node }

func newEntry() *entry { return &entry{yaml.Node{Kind: yaml.MappingNode}} }

func (n *entry) add(name string, value *yaml.Node) {
	n.node.Content = append(n.node.Content, scalar(name), value)
}

func (n *entry) text(name, text string) {
	if text != "" {
		n.add(name, scalar(text))
	}
}

func (n *entry) texts(name string, texts []string) {
	if len(texts) > 0 {
		n.add(name, flow(texts))
	}
}

func (n *entry) time(name string, t time.Time) {
	if !t.IsZero() {
		n.add(name, timestamp(t))
	}
}

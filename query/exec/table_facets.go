package exec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Limits of facets that name no fields.
const (
	FacetDistinct  = 100 // values of a field beyond which it is left out
	FacetFieldsMax = 50  // fields: those that most records have
)

// facetSample is how many rows tell most fields with many values from those with
// few.
const facetSample = 4 << 10

// visitFacets counts the values of fields: a group is a field and a value. A
// field without a value says that it has too many.
func (g *groups) visitFacets(p part.Part, rows *index.DocSet) (*partial, error) {
	asked := g.table.Facets
	found := newPartial(rows.GetCardinality(), 0, 2, g.newAggs())
	fields := asked.Fields
	if len(fields) == 0 {
		fields = facetFields(p)
	}
	for _, field := range fields {
		name := cell{kind: model.String, text: field}
		if len(asked.Fields) == 0 {
			many, err := g.manyValues(p, field, rows)
			if err != nil {
				return nil, err
			}
			if many {
				found.aggs[0].add(found.groups, nil, 1)
				found.label([]*cell{&name, nil})
				continue
			}
		}
		if err := g.addFacet(p, field, rows, &name, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// addFacet adds the values of a field.
func (g *groups) addFacet(p part.Part, field string, rows *index.DocSet, name *cell, found *partial) error {
	if field == plan.FieldTime || field == model.FieldID || isVirtual(field) {
		list := rows.ToArray()
		values, err := g.gather(p, field, rows, list)
		if err == nil {
			g.addFacetValues(&values, name, found)
		}
		return err
	}
	for _, source := range columnsOf(p, field) {
		if source.Kind() == model.Null {
			continue
		}
		counts, err := source.Counts(g.ctx, rows)
		if err != nil {
			return err
		}
		for _, v := range counts {
			if found.groups == g.max {
				found.reason = fmt.Sprintf("there are more than %d groups", g.max)
				return nil
			}
			found.aggs[0].add(found.groups, nil, v.Count)
			found.label([]*cell{name, {kind: source.Kind(), text: v.Value}})
		}
	}
	return nil
}

// addFacetValues adds the values of a column.
func (g *groups) addFacetValues(values *column, name *cell, found *partial) {
	counts := make([]uint64, len(values.dict)+1)
	for _, code := range values.codes {
		counts[code]++
	}
	for i := range values.dict {
		if found.groups == g.max {
			found.reason = fmt.Sprintf("there are more than %d groups", g.max)
			return
		}
		found.aggs[0].add(found.groups, nil, counts[i+1])
		found.label([]*cell{name, &values.dict[i]})
	}
}

// facetFields returns the fields of a part that may have few values: all but
// texts to read and what Stere keeps for itself.
func facetFields(p part.Part) []string {
	var fields []string
	for _, source := range p.AllColumns() {
		field := model.QueryName(source.Path())
		skip := source.Kind() == model.Null || source.Kind() == model.JSON || field == model.FieldMessage || strings.HasPrefix(source.Path(), model.OriginalPrefix)
		if !skip && !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	return fields
}

// manyValues reports whether a field has more than FacetDistinct values in the
// rows; it may not notice that several columns of it have together.
func (g *groups) manyValues(p part.Part, field string, rows *index.DocSet) (bool, error) {
	for _, source := range p.Columns(field) {
		if source.Distinct() <= FacetDistinct || source.Kind() == model.Null {
			continue
		}
		some := rows
		if rows.GetCardinality() > facetSample {
			last, err := rows.Select(facetSample - 1)
			if err != nil {
				return false, err
			}
			some = index.And(rows, index.DocSetRange(0, last+1))
		}
		counts, err := source.Counts(g.ctx, some)
		if err == nil && len(counts) <= FacetDistinct && some != rows {
			counts, err = source.Counts(g.ctx, rows)
		}
		if err != nil || len(counts) > FacetDistinct {
			return true, err
		}
	}
	return false, nil
}

// facetRow is a value of a field with its count.
type facetRow struct {
	field int
	label *cell
	count int64
}

// facetRows returns the rows of facets: fields in order, the most frequent
// values of each. The lock is held.
func (g *groups) facetRows() [][]any {
	asked := g.table.Facets
	names, order := asked.Names, asked.Fields
	if len(order) == 0 {
		order = g.fewValued()
		names = order
	}
	var all []facetRow
	for n, label := range g.mu.labels {
		if i := slices.Index(order, label[0].text); i >= 0 && label[1].kind != 0 {
			all = append(all, facetRow{i, &g.mu.labels[n][1], g.mu.aggs[0].value(n).(int64)})
		}
	}
	slices.SortFunc(all, func(a, b facetRow) int {
		return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(b.count, a.count),
			sortValue(plan.BaseName(order[a.field]), a.label.kind, a.label.text).compare(sortValue(plan.BaseName(order[b.field]), b.label.kind, b.label.text)),
			strings.Compare(a.label.text, b.label.text))
	})
	var rows [][]any
	of := 0
	for i, row := range all {
		if of++; i == 0 || all[i-1].field != row.field {
			of = 1
		}
		if of <= asked.N {
			rows = append(rows, []any{names[row.field], renderLabel(row.label), row.count})
		}
	}
	return rows
}

// fewValued returns the fields with few values, first those that most records
// have. The lock is held.
func (g *groups) fewValued() []string {
	type found struct {
		values  int
		many    bool
		records int64
	}
	fields := map[string]*found{}
	var order []string
	for n, label := range g.mu.labels {
		name := label[0].text
		field := fields[name]
		if field == nil {
			field = &found{}
			fields[name] = field
			order = append(order, name)
		}
		field.values++
		field.many = field.many || label[1].kind == 0
		field.records += g.mu.aggs[0].value(n).(int64)
	}
	order = slices.DeleteFunc(order, func(name string) bool { return fields[name].many || fields[name].values > FacetDistinct })
	slices.SortFunc(order, func(a, b string) int {
		return cmp.Or(cmp.Compare(fields[b].records, fields[a].records), strings.Compare(a, b))
	})
	return order[:min(len(order), FacetFieldsMax)]
}

// facetColumns returns the columns of facets.
func facetColumns(rows [][]any, keys []plan.Key) []Column {
	return []Column{{keys[0].Name, TypeString}, {keys[1].Name, columnType(rows, 1, TypeString)}, {"count", TypeInt}}
}

package main

// page is a document of the site.
type page struct {
	file  string // in the repository; of a page that is made, where its words come from
	out   string // in the site
	label string // in the navigation
	made  func(*site, page) ([]byte, error)
}

// group is a part of the navigation.
type group struct {
	title string
	pages []page
}

// navigation is every page of the site, in the order of the tasks.
func navigation() []group {
	return []group{
		{"Begin", []page{
			{file: "README.md", out: "index.html", label: "What qimport is"},
			{file: "docs/first-import.md", out: "first-import.html", label: "First import"},
			{file: "docs/demo.md", out: "demo.html", label: "What the demo prints"},
			{file: "docs/packages.md", out: "packages.html", label: "Packages"},
			{file: "docs/trouble.md", out: "trouble.html", label: "When something goes wrong"},
		}},
		{"Import", []page{
			{file: "docs/formats.md", out: "formats.html", label: "Choosing formats"},
			{file: "docs/recipes.md", out: "recipes.html", label: "Recipes, calibration, tuning"},
			{file: "docs/sources.md", out: "sources.html", label: "What sources may be"},
			{file: "docs/adapters.md", out: "adapters.html", label: "Adapters"},
			{file: "docs/ollama.md", out: "ollama.html", label: "Ollama and Modelfiles"},
			{file: "docs/fleets.md", out: "fleets.html", label: "Many imports"},
			{file: "docs/gpu.md", out: "gpu.html", label: "Running on a GPU"},
		}},
		{"Verify and publish", []page{
			{file: "docs/pipelines.md", out: "pipelines.html", label: "Verifying in a pipeline"},
			{file: "verify/README.md", out: "checks.html", label: "The checks"},
			{file: "docs/cases.md", out: "cases.html", label: "Cases"},
			{file: "docs/attestation.md", out: "attestation.html", label: "Signed statements"},
			{file: "docs/registries.md", out: "registries.html", label: "Registries"},
			{file: "docs/security.md", out: "security.html", label: "What is trusted"},
		}},
		{"Look up", []page{
			{file: "docs/files.md", out: "files.html", label: "File formats"},
			{file: "docs/store.md", out: "store.html", label: "The store"},
			{file: "docs/json.md", out: "json.html", label: "JSON"},
			{file: "schema", out: "schemas.html", label: "JSON schemas", made: (*site).schemas},
			{file: "README.md", out: "numbers.html", label: "Numbers", made: (*site).numbers},
		}},
		{"Work on it", []page{
			{file: "CONTRIBUTING.md", out: "contributing.html", label: "Contributing"},
			{file: "docs/architecture.md", out: "architecture.html", label: "How it is built"},
			{file: "docs/families.md", out: "families.html", label: "Adding a family"},
			{file: "CHANGELOG.md", out: "changelog.html", label: "Changes"},
			{file: "SECURITY.md", out: "report.html", label: "Reporting a weakness"},
			{file: "THIRD_PARTY_NOTICES.md", out: "notices.html", label: "Licences of others"},
		}},
	}
}

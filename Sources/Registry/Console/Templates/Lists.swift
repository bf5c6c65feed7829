extension Templates {
  static let repositories = #"""
    {{<layout}}{{$content}}<div class="head"><div><h1>Repositories</h1></div>
    <dl class="facts">{{#summary}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/summary}}</dl></div>
    {{#hasRealms}}<nav class="tabs" aria-label="Realms">{{#realms}}<a href="{{address}}"{{#current}} aria-current="page"{{/current}}>{{name}}</a>{{/realms}}</nav>{{/hasRealms}}
    {{#isEmptyRegistry}}<div class="empty"><p>No repositories yet. The first push makes one:</p><p><code>docker push {{imagePrefix}}/app:1</code></p></div>{{/isEmptyRegistry}}
    {{^isEmptyRegistry}}<div class="bar-row">
    <form class="search" role="search" action="{{prefix}}{{home}}"><label class="hidden" for="q">Search repositories</label><input id="q" type="search" name="q" value="{{search}}" placeholder="Search repositories" maxlength="255">{{#sorts}}<input type="hidden" name="sort" value="{{sort}}">{{/sorts}}<button>Search</button></form>
    {{#hasOrders}}<nav class="orders" aria-label="Order"><span>Sort by</span>{{#orders}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="true"{{/current}}>{{name}}</a>{{/orders}}</nav>{{/hasOrders}}
    </div>
    {{#isFiltered}}<p class="dim">{{total}} with “<bdi>{{search}}</bdi>” in the name · <a href="{{prefix}}{{home}}">show all</a></p>{{/isFiltered}}
    {{#hasRows}}<table>
    <thead><tr><th scope="col">Name</th><th scope="col" class="num opt">Tags</th><th scope="col" class="num">Size</th><th scope="col" class="num opt">Last push</th></tr></thead>
    <tbody>{{#rows}}
    <tr><td class="name"><a href="{{prefix}}{{link}}"><span class="folder">{{folder}}</span>{{base}}</a><span class="sub">{{tagsText}} · {{#pushed}}{{text}}{{/pushed}}</span></td><td class="num opt">{{tags}}</td><td class="num">{{size}}</td><td class="num opt">{{#pushed}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/pushed}}</td></tr>{{/rows}}
    </tbody></table>{{/hasRows}}
    {{#isLong}}{{^hasRows}}<p class="empty">None here that you may pull from.</p>{{/hasRows}}{{/isLong}}
    {{#leaf}}{{>leaf}}{{/leaf}}
    {{/isEmptyRegistry}}
    {{/content}}{{/layout}}
    """#

  static let repository = #"""
    {{<layout}}{{$content}}<div class="head"><div><h1><span class="folder">{{folder}}</span>{{base}}</h1></div>
    <dl class="facts">{{#summary}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/summary}}</dl></div>
    <nav class="tabs" aria-label="Repository">{{#tabs}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="page"{{/current}}>{{text}}</a>{{/tabs}}</nav>
    {{#isTags}}<div class="bar-row">
    <form class="search" role="search" action="{{prefix}}{{self}}"><label class="hidden" for="q">Tags that begin with</label><input id="q" type="search" name="q" value="{{search}}" placeholder="Tags that begin with…" maxlength="128"><button>Filter</button></form>
    <nav class="orders" aria-label="Order"><span>Sort by</span>{{#orders}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="true"{{/current}}>{{name}}</a>{{/orders}}</nav>
    </div>
    {{#isFiltered}}<p class="dim">Tags that begin with “<bdi>{{search}}</bdi>” · <a href="{{prefix}}{{self}}">show all</a></p>{{/isFiltered}}{{/isTags}}
    {{#hasRows}}<table>
    <thead><tr><th scope="col">{{#isTags}}Tag{{/isTags}}{{^isTags}}Manifest{{/isTags}}</th><th scope="col" class="opt">{{#isTags}}Digest{{/isTags}}{{^isTags}}Tags{{/isTags}}</th><th scope="col" class="opt">Platforms</th><th scope="col" class="num">Size</th><th scope="col" class="num opt">Pushed</th><th scope="col" class="num opt">Pulled</th></tr></thead>
    <tbody>{{#rows}}
    <tr>{{#isTags}}<td class="name"><a href="{{prefix}}{{link}}" title="{{tag}}"><bdi>{{shortTag}}</bdi></a>{{^isImage}} <span class="chip">{{kind}}</span>{{/isImage}}<span class="sub">{{digest}} · {{#pushed}}{{text}}{{/pushed}}</span></td><td class="opt"><a class="digest" href="{{prefix}}{{digestLink}}" title="{{fullDigest}}">{{digest}}</a></td>{{/isTags}}{{^isTags}}<td><a class="digest" href="{{prefix}}{{link}}" title="{{fullDigest}}">{{digest}}</a>{{^isImage}} <span class="chip">{{kind}}</span>{{/isImage}}<span class="sub">{{#tags}}{{tag}} {{/tags}}{{#pushed}}{{text}}{{/pushed}}</span></td><td class="opt wide">{{#tags}}<a href="{{prefix}}{{link}}"><bdi>{{tag}}</bdi></a> {{/tags}}</td>{{/isTags}}<td class="opt"><span class="chips">{{#platforms}}<span class="chip">{{.}}</span>{{/platforms}}</span></td><td class="num">{{size}}</td><td class="num opt">{{#pushed}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/pushed}}</td><td class="num opt dim">{{#pulled}}<span title="{{stamp}}">{{text}}</span>{{/pulled}}</td></tr>{{/rows}}
    </tbody></table>{{/hasRows}}
    {{^hasRows}}<p class="empty">{{#isTags}}No tags{{#isFiltered}} that begin so{{/isFiltered}}.{{/isTags}}{{^isTags}}No such manifests.{{/isTags}}</p>{{/hasRows}}
    {{#leaf}}{{>leaf}}{{/leaf}}
    <div class="pair"><section aria-labelledby="pull"><h2 id="pull">Pull</h2>
    <dl class="cmds">{{#commands}}<div><dt>{{tool}}</dt><dd><code data-copy="">{{command}}</code></dd></div>{{/commands}}</dl>{{^commands}}<p class="dim">Nothing to pull yet.</p>{{/commands}}</section>
    <section aria-labelledby="push"><h2 id="push">Push</h2>
    <dl class="cmds">{{#push}}<div><dt>{{tool}}</dt><dd><code data-copy="">{{command}}</code></dd></div>{{/push}}</dl></section></div>
    {{/content}}{{/layout}}
    """#

  static let settings = #"""
    {{<layout}}{{$content}}<div class="head"><div><h1><span class="folder">{{folder}}</span>{{base}}</h1></div>
    <dl class="facts">{{#summary}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/summary}}</dl></div>
    <nav class="tabs" aria-label="Repository">{{#tabs}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="page"{{/current}}>{{text}}</a>{{/tabs}}</nav>
    <h2>Tags</h2>
    <p>{{mutability}} <span class="chip">{{mutabilityName}}</span></p>
    <p class="chips">{{#exclusions}}<code class="chip on">{{.}}</code>{{/exclusions}}</p>
    <h2>Scanning</h2>
    <p>{{scanning}}</p>
    {{#showsPolicy}}<h2>Access</h2>
    {{#policyText}}<pre tabindex="0">{{policyText}}</pre>{{/policyText}}{{^policyText}}<p class="dim">No policy of its own.</p>{{/policyText}}{{/showsPolicy}}
    <h2>Resource tags</h2>
    {{#hasLabels}}<dl class="pairs">{{#labels}}<div><dt>{{key}}</dt><dd>{{value}}</dd></div>{{/labels}}</dl>{{/hasLabels}}
    {{^hasLabels}}<p class="dim">None.</p>{{/hasLabels}}
    <h2>Repository</h2>
    <dl class="pairs"><div><dt>Created</dt><dd>{{#created}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/created}}</dd></div></dl>
    {{/content}}{{/layout}}
    """#

  static let activity = #"""
    {{<layout}}{{$content}}<div class="head"><div><h1>Activity</h1></div></div>
    {{#only}}<p class="dim">In <bdi>{{only}}</bdi> · <a href="{{prefix}}{{all}}">all repositories</a></p>{{/only}}
    {{#hasRows}}<table>
    <thead><tr><th scope="col">What</th><th scope="col">Repository</th><th scope="col" class="opt">Who</th><th scope="col" class="num">When</th></tr></thead>
    <tbody>{{#rows}}
    <tr><td class="nowrap"><span class="chip{{#isBad}} bad{{/isBad}}">{{what}}</span></td><td class="name">{{#link}}<a href="{{prefix}}{{link}}"><span class="folder">{{folder}}</span>{{base}}<bdi>{{tag}}</bdi></a>{{/link}}{{^link}}{{folder}}{{base}}{{/link}} <span class="digest">{{digest}}</span><span class="sub"><bdi>{{principal}}</bdi></span></td><td class="opt"><bdi>{{principal}}</bdi></td><td class="num">{{#time}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/time}}</td></tr>{{/rows}}
    </tbody></table>{{/hasRows}}
    {{^hasRows}}<p class="empty">Nothing has happened that you may see.</p>{{/hasRows}}
    {{#leaf}}{{>leaf}}{{/leaf}}
    {{/content}}{{/layout}}
    """#

  static let lifecycle = #"""
    {{<layout}}{{$content}}<div class="head"><div><h1><span class="folder">{{folder}}</span>{{base}}</h1></div>
    <dl class="facts">{{#summary}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/summary}}</dl></div>
    <nav class="tabs" aria-label="Repository">{{#tabs}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="page"{{/current}}>{{text}}</a>{{/tabs}}</nav>
    {{#hasNoPolicy}}<div class="empty"><p>No lifecycle policy: images stay until they are deleted.</p><p><code>aws ecr put-lifecycle-policy --repository-name {{folder}}{{base}} --lifecycle-policy-text file://policy.json</code></p></div>{{/hasNoPolicy}}
    {{^hasNoPolicy}}<h2>Rules <small>last run: {{#evaluated}}{{text}}{{/evaluated}}</small></h2>
    <table><thead><tr><th scope="col" class="num">Priority</th><th scope="col">Action</th><th scope="col">Images</th></tr></thead><tbody>{{#rules}}
    <tr><td class="num">{{priority}}</td><td><span class="chip{{#isBad}} bad{{/isBad}}">{{action}}</span></td><td class="wide">{{whose}}, {{when}}<span class="dim"> {{what}}</span></td></tr>{{/rules}}
    </tbody></table>
    <h2>At this moment</h2>
    {{#isTooLarge}}<p class="note">This repository is larger than what is counted through for a page: <code>aws ecr start-lifecycle-policy-preview</code> does it in the background.</p>{{/isTooLarge}}
    {{#isPlanned}}<dl class="facts part">{{#outcome}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/outcome}}</dl>
    {{#doesNothing}}<p class="dim">The policy would do nothing.</p>{{/doesNothing}}
    {{#hasRows}}<table><thead><tr><th scope="col">Image</th><th scope="col" class="opt">Tags</th><th scope="col">Action</th><th scope="col" class="num opt">Rule</th><th scope="col" class="num">Size</th><th scope="col" class="num opt">Pushed</th></tr></thead><tbody>{{#rows}}
    <tr><td><a class="digest" href="{{prefix}}{{link}}" title="{{fullDigest}}">{{digest}}</a><span class="sub">{{tagText}}</span></td><td class="opt wide">{{tagText}}</td><td><span class="chip{{#isBad}} bad{{/isBad}}">{{action}}</span></td><td class="num opt">{{rule}}</td><td class="num">{{size}}</td><td class="num opt">{{#pushed}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/pushed}}</td></tr>{{/rows}}
    </tbody></table>{{/hasRows}}{{#more}}<p class="dim">And {{more}} more.</p>{{/more}}{{/isPlanned}}
    <h2>Policy</h2>
    <pre tabindex="0">{{policyText}}</pre>{{/hasNoPolicy}}
    {{/content}}{{/layout}}
    """#
}

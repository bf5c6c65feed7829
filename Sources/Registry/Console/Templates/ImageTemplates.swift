extension Templates {
  static let image = #"""
    {{<layout}}{{$content}}<div class="head"><div>
    <h1><a href="{{prefix}}{{repositoryLink}}"><span class="folder">{{folder}}</span>{{base}}</a><span class="sep">{{#isTag}}:{{/isTag}}{{^isTag}}@{{/isTag}}</span><bdi class="ref">{{reference}}</bdi></h1>
    <p class="digest" data-copy="">{{digest}}</p></div>
    <dl class="facts"><div><dt>{{#platform}}{{platform}}{{/platform}}{{^platform}}{{kind}}{{/platform}}</dt><dd>{{contentSize}}</dd></div>{{#created}}<div><dt>built</dt><dd title="{{stamp}}">{{text}}</dd></div>{{/created}}{{#pushed}}<div><dt>pushed</dt><dd title="{{stamp}}">{{text}}</dd></div>{{/pushed}}{{#pulled}}<div><dt>pulled</dt><dd title="{{stamp}}">{{text}}</dd></div>{{/pulled}}</dl></div>
    <p class="chips">{{#tags}}<a class="chip{{#isThis}} on{{/isThis}}" href="{{prefix}}{{link}}"><bdi>{{tag}}</bdi></a>{{/tags}}{{#hasMoreTags}}<span class="chip">…</span>{{/hasMoreTags}}</p>
    {{#subject}}<p class="note">Refers to <a class="digest" href="{{prefix}}{{link}}">{{text}}</a></p>{{/subject}}
    {{#parents}}<p class="dim part">Part of the index <a class="digest" href="{{prefix}}{{link}}">{{text}}</a></p>{{/parents}}
    <dl class="cmds">{{#commands}}<div><dt>{{tool}}</dt><dd><code data-copy="">{{command}}</code></dd></div>{{/commands}}</dl>
    {{#isIndex}}<h2>Platforms</h2>
    <table><thead><tr><th scope="col">Platform</th><th scope="col" class="opt">Digest</th><th scope="col"><span class="hidden">Share</span></th><th scope="col" class="num">Size</th><th scope="col" class="num opt">Pulled</th></tr></thead><tbody>{{#members}}
    <tr><td class="name">{{#link}}<a href="{{prefix}}{{link}}">{{platform}}</a>{{/link}}{{^link}}{{platform}}{{/link}} <span class="dim">{{version}}</span><span class="sub">{{digest}}</span></td><td class="opt"><span class="digest" title="{{fullDigest}}">{{digest}}</span></td><td class="meter-cell"><svg class="meter" aria-hidden="true"><rect width="{{bar}}" height="100%"></rect></svg></td><td class="num">{{size}}</td><td class="num opt dim">{{#pulled}}<span title="{{stamp}}">{{text}}</span>{{/pulled}}</td></tr>{{/members}}
    </tbody></table>{{#moreMembers}}<p class="dim">The rest is in the manifest.</p>{{/moreMembers}}{{/isIndex}}
    {{#isArtifact}}<h2>Content <small>{{artifactType}}</small></h2>
    <table><thead><tr><th scope="col">Name</th><th scope="col" class="opt">Type</th><th scope="col" class="opt">Digest</th><th scope="col" class="num">Size</th></tr></thead><tbody>{{#blobs}}
    <tr><td class="name">{{title}}<span class="sub">{{type}}</span></td><td class="opt dim wide">{{type}}</td><td class="opt"><span class="digest" title="{{fullDigest}}">{{digest}}</span></td><td class="num">{{size}}</td></tr>{{/blobs}}
    </tbody></table>{{/isArtifact}}
    {{#isImage}}{{>steps}}{{#scan}}{{>scan}}{{/scan}}{{>configuration}}{{/isImage}}
    {{#hasAnnotations}}<h2>Annotations</h2>
    <dl class="pairs code">{{#annotations}}<div><dt>{{key}}</dt><dd>{{value}}</dd></div>{{/annotations}}</dl>{{/hasAnnotations}}
    <h2>Signatures and other referrers</h2>
    {{#shortfalls}}<p class="note{{#isRefused}} bad{{/isRefused}}">{{#isRefused}}Pulls are refused: {{/isRefused}}{{^isRefused}}Pulls are warned of: {{/isRefused}}{{text}}.</p>{{/shortfalls}}
    {{#hasReferrers}}<table><thead><tr><th scope="col">Kind</th><th scope="col" class="opt">Type</th><th scope="col">Digest</th><th scope="col" class="num">Size</th><th scope="col" class="num opt">Pushed</th></tr></thead><tbody>{{#referrers}}
    <tr><td class="name">{{kind}} {{#signers}}<span class="chip good">verified by <bdi>{{.}}</bdi></span> {{/signers}}{{#isUnverified}}<span class="chip" title="By no key of a signature policy that is about this repository">not verified</span>{{/isUnverified}}</td><td class="opt dim wide">{{type}}</td><td><a class="digest" href="{{prefix}}{{link}}" title="{{fullDigest}}">{{digest}}</a></td><td class="num">{{size}}</td><td class="num opt">{{#pushed}}<time datetime="{{stamp}}" title="{{stamp}}">{{text}}</time>{{/pushed}}</td></tr>{{/referrers}}
    </tbody></table>{{/hasReferrers}}{{^hasReferrers}}<p class="dim">Nothing refers to it.</p>{{/hasReferrers}}
    <h2>As stored</h2>
    <details><summary>Manifest <small>{{mediaType}} · {{manifestSize}}</small></summary>{{#manifestText}}<pre tabindex="0">{{manifestText}}</pre>{{/manifestText}}<p><a href="{{prefix}}{{manifestLink}}">The bytes as they were pushed</a></p></details>
    {{#configLink}}<details><summary>Configuration</summary>{{#configText}}<pre tabindex="0">{{configText}}</pre>{{/configText}}<p><a href="{{prefix}}{{configLink}}">The bytes as they were pushed</a></p></details>{{/configLink}}
    {{/content}}{{/layout}}
    """#

  static let steps = #"""
    <h2>Layers <small>{{layerCount}}, {{layerSize}} compressed</small></h2>
    <svg class="strip" role="img" aria-label="Sizes of the layers side by side">{{#strip}}<rect class="c{{colour}}" x="{{x}}" width="{{width}}" height="100%"><title>Layer {{number}}: {{size}}</title></rect>{{/strip}}</svg>
    <table class="steps"><thead><tr><th scope="col"><span class="hidden">Layer</span></th><th scope="col">Step</th><th scope="col" class="opt"><span class="hidden">Share</span></th><th scope="col" class="num">Size</th><th scope="col" class="num opt"><span class="hidden">Files</span></th></tr></thead><tbody>{{#steps}}
    <tr{{^hasLayer}} class="void"{{/hasLayer}}><td class="no nowrap">{{#hasLayer}}<svg class="swatch" aria-hidden="true"><rect class="c{{colour}}" width="10" height="10"></rect></svg> {{#isTar}}<a href="{{prefix}}{{link}}" title="{{layerDigest}}" aria-label="Layer {{number}}, its files">{{number}}</a>{{/isTar}}{{^isTar}}{{number}}{{/isTar}}{{/hasLayer}}</td><td><code><span class="ins">{{instruction}}</span> {{text}}</code></td><td class="meter-cell opt">{{#hasLayer}}<svg class="meter" aria-hidden="true"><rect class="c{{colour}}" width="{{bar}}" height="100%"></rect></svg>{{/hasLayer}}</td><td class="num">{{#hasLayer}}{{size}}{{/hasLayer}}</td><td class="num opt">{{#hasLayer}}{{#isTar}}<a href="{{prefix}}{{link}}" aria-label="Files of layer {{number}}">files</a>{{/isTar}}{{/hasLayer}}</td></tr>{{/steps}}
    </tbody></table>
    {{#wasted}}{{#isNeeded}}<p class="leaf"><a href="{{prefix}}{{link}}">What later layers waste →</a></p>{{/isNeeded}}{{/wasted}}
    """#

  static let configuration = #"""
    {{#configTrouble}}<p class="note bad">{{configTrouble}}</p>{{/configTrouble}}
    {{#configuration}}<h2>Configuration</h2>
    <dl class="pairs">{{#rows}}<div><dt>{{name}}</dt><dd><code>{{value}}</code></dd></div>{{/rows}}</dl>
    {{#hasEnvironment}}<h3>Environment</h3>
    <dl class="pairs code">{{#environment}}<div><dt>{{key}}</dt><dd>{{value}}</dd></div>{{/environment}}</dl>{{/hasEnvironment}}
    {{#hasLabels}}<h3>Labels</h3>
    <dl class="pairs code">{{#labels}}<div><dt>{{key}}</dt><dd>{{value}}</dd></div>{{/labels}}</dl>{{/hasLabels}}{{/configuration}}
    """#

  static let scan = #"""
    <h2>Vulnerabilities <small>{{state}}</small></h2>
    {{#isComplete}}<p class="chips">{{#isClean}}<span class="dim">Nothing known.</span>{{/isClean}}{{#counts}}<a class="chip{{#isBad}} bad{{/isBad}}" href="{{prefix}}{{link}}">{{count}} {{severity}}</a>{{/counts}}</p>{{/isComplete}}
    <p class="part">Bill of materials: {{#bills}}<a href="{{prefix}}{{link}}">{{name}}</a> {{/bills}}</p>
    """#

  static let findings = #"""
    {{<layout}}{{$content}}<div class="head"><div>
    <p class="trail"><a href="{{prefix}}{{repositoryLink}}">{{folder}}{{base}}</a> / <a class="digest" href="{{prefix}}{{imageLink}}">{{image}}</a></p>
    <h1>Findings</h1></div></div>
    {{#scan}}{{>scan}}{{/scan}}
    {{#hasRows}}<table><thead><tr><th scope="col">Severity</th><th scope="col">Vulnerability</th><th scope="col">Package</th><th scope="col" class="opt">Mended in</th></tr></thead><tbody>{{#rows}}
    <tr><td><span class="chip{{#isBad}} bad{{/isBad}}">{{severity}}</span></td><td class="name">{{#address}}<a href="{{address}}" rel="noreferrer">{{name}}</a>{{/address}}{{^address}}{{name}}{{/address}} <span class="dim opt wide">{{title}}</span></td><td class="wide" title="{{where}}"><code>{{package}}</code> <span class="dim">{{version}}</span><span class="sub">{{fixed}}</span></td><td class="opt"><code>{{fixed}}</code></td></tr>{{/rows}}
    </tbody></table>{{/hasRows}}
    {{#leaf}}{{>leaf}}{{/leaf}}
    {{/content}}{{/layout}}
    """#
}

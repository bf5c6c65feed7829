extension Templates {
  static let layer = #"""
    {{<layout}}{{$content}}<div class="head"><div>
    <p class="trail"><a href="{{prefix}}{{repositoryLink}}">{{folder}}{{base}}</a> / <a class="digest" href="{{prefix}}{{imageLink}}">{{image}}</a></p>
    <h1>Layer {{number}} <span class="sep">of {{layerTotal}}</span></h1>
    <p class="digest" data-copy="">{{layerDigest}}</p></div>
    <dl class="facts"><div><dt>compressed</dt><dd>{{size}}</dd></div>{{#plain}}<div><dt>as an archive</dt><dd>{{plain}}</dd></div>{{/plain}}{{#names}}<div><dt>in it</dt><dd>{{names}}</dd></div>{{/names}}</dl></div>
    {{#leaf}}{{>leaf}}{{/leaf}}
    {{#waiting}}<p class="note" role="status">{{waiting}}</p>{{/waiting}}
    {{#trouble}}<p class="note bad" role="alert">{{trouble}}</p>{{/trouble}}
    {{#isIncomplete}}<p class="note">This layer is larger than what is looked at: what follows is its beginning.</p>{{/isIncomplete}}
    {{#isDirectory}}<div class="bar-row"><p class="path" aria-label="Path">{{#path}}{{#isLast}}<b><bdi>{{name}}</bdi></b>{{/isLast}}{{^isLast}}<a href="{{prefix}}{{link}}"><bdi>{{name}}</bdi></a>{{slash}}{{/isLast}}{{/path}}</p>
    <nav class="orders" aria-label="Order"><span>Sort by</span>{{#orders}}<a href="{{prefix}}{{link}}"{{#current}} aria-current="true"{{/current}}>{{name}}</a>{{/orders}}</nav></div>
    {{#isOpaque}}<p class="note">What lower layers have in this directory does not show.</p>{{/isOpaque}}
    <table class="files tight"><thead><tr><th scope="col">Name</th><th scope="col" class="opt">Mode</th><th scope="col" class="opt">Owner</th><th scope="col" class="opt">Modified</th><th scope="col" class="opt"><span class="hidden">Share</span></th><th scope="col" class="num">Size</th></tr></thead><tbody>
    {{#up}}<tr><td class="fname"><a href="{{prefix}}{{up}}" aria-label="The directory above">..</a></td><td class="opt"></td><td class="opt"></td><td class="opt"></td><td class="opt"></td><td></td></tr>{{/up}}{{#rows}}
    <tr{{#isWhiteout}} class="gone"{{/isWhiteout}}><td class="fname">{{#opens}}<a href="{{prefix}}{{opens}}"><bdi>{{name}}</bdi>/</a>{{/opens}}{{^opens}}<bdi>{{name}}</bdi>{{/opens}} {{#target}}<bdi class="target">{{target}}</bdi>{{/target}}<span class="fate">{{note}}{{fate}}</span></td><td class="opt meta">{{mode}}</td><td class="opt meta">{{owner}}</td><td class="opt meta">{{modified}}</td><td class="opt meter-cell"><svg class="meter" aria-hidden="true"><rect width="{{bar}}" height="100%"></rect></svg></td><td class="num">{{size}}</td></tr>{{/rows}}
    </tbody></table>{{^hasRows}}<p class="empty">Nothing in here.</p>{{/hasRows}}
    {{#pages}}{{>leaf}}{{/pages}}{{/isDirectory}}
    {{#isFile}}<p class="path">{{#path}}{{#isLast}}<b><bdi>{{name}}</bdi></b>{{/isLast}}{{^isLast}}<a href="{{prefix}}{{link}}"><bdi>{{name}}</bdi></a>{{slash}}{{/isLast}}{{/path}}</p>
    {{#file}}<dl class="pairs"><div><dt>Size</dt><dd>{{size}}</dd></div><div><dt>Mode</dt><dd class="mono">{{mode}}</dd></div><div><dt>Owner</dt><dd>{{owner}}</dd></div><div><dt>Modified</dt><dd>{{modified}}</dd></div></dl><p class="dim">{{note}} {{#target}}{{target}}{{/target}}</p>{{/file}}{{/isFile}}
    {{/content}}{{/layout}}
    """#

  static let wasted = #"""
    {{<layout}}{{$content}}<div class="head"><div>
    <p class="trail"><a href="{{prefix}}{{repositoryLink}}">{{folder}}{{base}}</a> / <a class="digest" href="{{prefix}}{{imageLink}}">{{image}}</a></p>
    <h1>Wasted space</h1>
    <p class="lead">What layers have and the image does not show, because a later layer overwrites or deletes it. It is pushed, stored and pulled all the same.</p></div>
    {{#isDone}}<dl class="facts">{{#facts}}<div><dt>{{what}}</dt><dd>{{figure}}</dd></div>{{/facts}}</dl>{{/isDone}}</div>
    {{#waiting}}<p class="note" role="status">{{waiting}}</p>{{/waiting}}
    {{#trouble}}<p class="note bad" role="alert">{{trouble}}</p>{{/trouble}}
    {{#isDone}}{{#isIncomplete}}<p class="note">Not all layers were looked at to their end: there may be more.</p>{{/isIncomplete}}
    {{#nothing}}<p class="empty">Nothing is wasted: no layer hides what another one brought.</p>{{/nothing}}
    <h2>By layer</h2>
    <table class="by-layer"><thead><tr><th scope="col">Layer</th><th scope="col"><span class="hidden">Share</span></th><th scope="col" class="num">Files</th><th scope="col" class="num">Wasted</th></tr></thead><tbody>{{#layers}}
    <tr><td class="name"><a href="{{prefix}}{{link}}">{{number}}</a></td><td class="meter-cell"><svg class="meter" aria-hidden="true"><rect width="{{bar}}" height="100%"></rect><rect class="waste" width="{{wastedBar}}" height="100%"></rect></svg></td><td class="num">{{total}}</td><td class="num">{{#hasWaste}}{{wasted}} <span class="dim">{{share}}</span>{{/hasWaste}}{{^hasWaste}}<span class="dim">–</span>{{/hasWaste}}</td></tr>{{/layers}}
    </tbody></table>
    {{#hasItems}}<h2>The largest</h2>
    <table class="files tight"><thead><tr><th scope="col">Path</th><th scope="col">In layer</th><th scope="col" class="opt">What happened</th><th scope="col" class="opt"><span class="hidden">Share</span></th><th scope="col" class="num">Size</th></tr></thead><tbody>{{#items}}
    <tr><td class="fname"><bdi>{{path}}</bdi></td><td><a href="{{prefix}}{{link}}">{{layer}}</a></td><td class="opt dim">{{how}} by layer {{by}}</td><td class="opt meter-cell"><svg class="meter" aria-hidden="true"><rect class="waste" width="{{bar}}" height="100%"></rect></svg></td><td class="num">{{size}}</td></tr>{{/items}}
    </tbody></table>{{/hasItems}}{{/isDone}}
    {{/content}}{{/layout}}
    """#
}

-- Keeps what can be read and taught: no pictures, no raw markup, no comments, no notes to the reader's program.
function Image(element)
  return element.caption
end

function RawInline()
  return {}
end

function RawBlock()
  return {}
end

function Div(element)
  return element.content
end

function Span(element)
  return element.content
end

-- The title of a text document is part of the text; a web page's is what its window is called.
function Pandoc(document)
  local title = document.meta.title
  if document.meta["title-is-level-one"] then
    document.blocks = document.blocks:walk({
      Header = function(header)
        header.level = header.level + 1
        return header
      end,
    })
  end
  if title and document.meta["title-is-text"] and #pandoc.utils.stringify(title) > 0 then
    document.blocks:insert(1, pandoc.Header(1, pandoc.utils.stringify(title)))
  end
  return document
end

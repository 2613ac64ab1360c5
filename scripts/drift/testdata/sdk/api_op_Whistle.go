package choir

type WhistleInput struct{ noSmithyDocumentSerde }

type WhistleOutput struct{ noSmithyDocumentSerde }
